//! From query parameters to a question of margins, and where in its answer to go on.

use billing_domain::usage::{MarginGrouping, MarginPlace, MarginQuestion};
use billing_domain::{Currency, Day, MicrosSum};

use crate::http::cursor::Key;
use crate::http::fields::one_of;
use crate::http::problem::Problem;
use crate::routes::call::Call;
use crate::routes::list::Place;
use crate::routes::terms::days_asked;
use crate::services::Store;

/// Where the list is.
pub(crate) const PATH: &str = "/v1/admin/operator-costs/margin";

/// Every grouping with its name on the wire.
pub(super) const GROUPINGS: [(MarginGrouping, &str); 4] = [
    (MarginGrouping::Operator, "operator"),
    (MarginGrouping::Account, "account"),
    (MarginGrouping::Tier, "tier"),
    (MarginGrouping::Day, "day"),
];

/// What is asked, and where to go on.
///
/// # Errors
/// 422 for values that cannot be.
pub(super) fn read<S: Store>(call: &Call<S>, is_whole: bool) -> Result<(MarginQuestion, Place<MarginPlace>), Problem> {
    let mut query = call.query()?;
    let place = if is_whole { Place::whole(PATH, call, &mut query) } else { Place::read(PATH, call, &mut query) }?;
    let days = days_asked(&mut query, Day::of(call.now));
    let grouping = query.optional("groupBy", one_of(&GROUPINGS)).unwrap_or(MarginGrouping::Operator);
    let currency = query.optional("currency", Currency::new);
    query.finish(days.map(|days| (MarginQuestion { days, grouping, currency }, place)))
}

/// Written for a group without a margin.
const NO_MARGIN: &str = "-";

impl Key for MarginPlace {
    fn to_bytes(&self) -> Vec<u8> {
        let margin = self.margin.map_or(NO_MARGIN.to_owned(), |margin| margin.0.to_string());
        format!("{margin} {} {}", self.currency, self.key).into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let text = String::from_bytes(bytes)?;
        let (margin, rest) = text.split_once(' ')?;
        let (currency, key) = rest.split_once(' ')?;
        let margin = if margin == NO_MARGIN { None } else { Some(MicrosSum(margin.parse().ok()?)) };
        Some(Self { margin, currency: Currency::new(currency).ok()?, key: key.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_the_way_there_and_back() {
        for (margin, key) in [(Some(-12), "41220"), (None, "a tier of words"), (Some(i128::MAX), "2026-10-01")] {
            let currency = Currency::new("USD").unwrap();
            let place = MarginPlace { margin: margin.map(MicrosSum), currency, key: key.into() };
            assert_eq!(MarginPlace::from_bytes(&place.to_bytes()), Some(place));
        }
        for forged in ["", "1", "1 USD", "x USD a", "1 usd a", "1.5 USD a", "1 USD \0", "1  USD a"] {
            assert_eq!(MarginPlace::from_bytes(forged.as_bytes()), None, "{forged}");
        }
    }
}
