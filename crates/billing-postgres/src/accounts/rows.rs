//! Rows of profiles and parties to versions and back.

use billing_domain::invoicing::{LanguageTag, Party, PartyVersion, Percentage, TaxRate};
use billing_domain::ports::{AccountHistory, Entered, Entry};
use billing_domain::usage::{ProfileSource, ProfileVersion};
use billing_domain::{AccountId, Day, TenantId};
use diesel::OptionalExtension;
use diesel::data_types::PgDate;
use diesel::sql_types::{Array, Bool, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::columns::{self, Inconsistent, Table};
use crate::prepared::Prepare as _;
use crate::transaction::Failure;

const PROFILES: Table = Table("account_profiles");
const PARTIES: Table = Table("account_parties");
const PARTY_COLUMNS: &str =
    "effective_from, legal_name, address, tax_id, locale, tax_names, tax_rates, created_by, created_at";

/// Profile rows of one account in the order in which the first of them is the one in force on a day: what
/// `AccountRecord::of` and `profile_on` say, in SQL. `day` is a parameter or an expression.
pub(crate) fn profile_order(day: &str) -> String {
    format!(
        "(effective_from <= {day}) DESC, (effective_from <= {day} AND created_by IS NOT NULL) DESC,
        CASE WHEN effective_from <= {day} THEN effective_from END DESC, effective_from, position DESC"
    )
}

#[derive(diesel::QueryableByName)]
pub(super) struct ProfileRow {
    #[diesel(sql_type = SqlUuid)]
    pub(super) account_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub(super) tenant_id: Uuid,
    #[diesel(sql_type = Date)]
    effective_from: PgDate,
    #[diesel(sql_type = Text)]
    tier: String,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = Nullable<Text>)]
    created_by: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    created_at: Option<columns::Instant>,
}

impl ProfileRow {
    pub(super) fn version(&self) -> Result<ProfileVersion, Inconsistent> {
        Ok(ProfileVersion {
            from: PROFILES.day("effective_from", self.effective_from)?,
            tier: PROFILES.tier(&self.tier)?,
            currency: PROFILES.currency(&self.currency)?,
            source: if self.created_by.is_some() { ProfileSource::Staff } else { ProfileSource::Event },
        })
    }
}

/// Profiles of some accounts or of all, by account, first day and order of entry.
pub(super) async fn profiles(
    connection: &mut AsyncPgConnection,
    of: Option<Vec<Uuid>>,
) -> Result<Vec<ProfileRow>, diesel::result::Error> {
    diesel::sql_query(
        "SELECT account_id, tenant_id, effective_from, tier, currency, created_by, created_at
        FROM billing.account_profiles WHERE $1 OR account_id = ANY($2)
        ORDER BY account_id, effective_from, position",
    )
    .bind::<Bool, _>(of.is_none())
    .bind::<Array<SqlUuid>, _>(of.unwrap_or_default())
    .load(connection)
    .await
}

#[derive(diesel::QueryableByName)]
struct PartyRow {
    #[diesel(sql_type = Date)]
    effective_from: PgDate,
    #[diesel(sql_type = Text)]
    legal_name: String,
    #[diesel(sql_type = Array<Text>)]
    address: Vec<String>,
    #[diesel(sql_type = Nullable<Text>)]
    tax_id: Option<String>,
    #[diesel(sql_type = Text)]
    locale: String,
    #[diesel(sql_type = Array<Text>)]
    tax_names: Vec<String>,
    #[diesel(sql_type = Array<Integer>)]
    tax_rates: Vec<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    created_by: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    created_at: Option<columns::Instant>,
}

impl PartyRow {
    fn version(&self) -> Result<PartyVersion, Inconsistent> {
        let rate = |(name, parts): (&String, &i32)| {
            let parts = u32::try_from(*parts).map_err(|_| PARTIES.bad("tax_rates"))?;
            let rate = Percentage::from_ten_thousandths(parts).map_err(|_| PARTIES.bad("tax_rates"))?;
            TaxRate::new(name, rate).map_err(|_| PARTIES.bad("tax_names"))
        };
        Ok(PartyVersion {
            from: PARTIES.day("effective_from", self.effective_from)?,
            party: Party { name: self.legal_name.clone(), address: self.address.clone(), tax_id: self.tax_id.clone() },
            locale: LanguageTag::new(&self.locale).map_err(|_| PARTIES.bad("locale"))?,
            tax_rates: self.tax_names.iter().zip(&self.tax_rates).map(rate).collect::<Result<_, _>>()?,
        })
    }
}

fn entry(by: Option<&String>, at: Option<columns::Instant>) -> Option<Entry> {
    by.zip(at).map(|(by, at)| Entry { by: by.clone(), at: columns::timestamp(at) })
}

/// What invoices say of an account on a day, with the taxes of that day; `None` when nobody has entered a name that holds
/// by then.
pub(crate) async fn party_on(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    day: Day,
) -> Result<Option<PartyVersion>, Failure> {
    let query = format!(
        "SELECT {PARTY_COLUMNS} FROM billing.account_parties WHERE account_id = $1 AND effective_from <= $2
        ORDER BY effective_from DESC, position DESC LIMIT 1"
    );
    let row: Option<PartyRow> = diesel::sql_query(query)
        .bind::<SqlUuid, _>(account.0)
        .bind::<Date, _>(columns::date(day))
        .prepared()
        .get_result(connection)
        .await
        .optional()?;
    Ok(row.map(|row| row.version()).transpose()?)
}

/// Everything known of an account, if it is known.
pub(super) async fn history(
    connection: &mut AsyncPgConnection,
    account: AccountId,
) -> Result<Option<AccountHistory>, Failure> {
    #[derive(diesel::QueryableByName)]
    struct Owner {
        #[diesel(sql_type = SqlUuid)]
        tenant_id: Uuid,
    }
    let owner: Option<Owner> = diesel::sql_query("SELECT tenant_id FROM billing.accounts WHERE account_id = $1")
        .bind::<SqlUuid, _>(account.0)
        .get_result(connection)
        .await
        .optional()?;
    let Some(owner) = owner else { return Ok(None) };
    let profile = profiles(connection, Some(vec![account.0])).await?;
    let profile = profile.iter().map(|row| {
        let entry = entry(row.created_by.as_ref(), row.created_at);
        Ok(Entered { version: row.version()?, entry })
    });
    let query = format!(
        "SELECT {PARTY_COLUMNS} FROM billing.account_parties WHERE account_id = $1 ORDER BY effective_from, position"
    );
    let parties: Vec<PartyRow> = diesel::sql_query(query).bind::<SqlUuid, _>(account.0).load(connection).await?;
    let parties = parties.iter().map(|row| {
        let entry = entry(row.created_by.as_ref(), row.created_at);
        Ok(Entered { version: row.version()?, entry })
    });
    let (profile, parties) =
        (profile.collect::<Result<Vec<_>, Inconsistent>>()?, parties.collect::<Result<Vec<_>, Inconsistent>>()?);
    Ok(Some(AccountHistory { account, tenant: TenantId(owner.tenant_id), profile, parties }))
}
