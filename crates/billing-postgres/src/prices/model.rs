//! The columns of a pricing model, which prices and their corrections share.

use billing_domain::Micros;
use billing_domain::pricing::{Package, PricingModel, Step, Steps};
use diesel::sql_types::{Array, BigInt, Nullable, Text};

use crate::columns::{Inconsistent, Table};

/// What every query of a model selects.
pub(crate) const MODEL_COLUMNS: &str = "model, steps_above, steps_price_micros, package_size, package_price_micros";

#[derive(diesel::QueryableByName)]
pub(crate) struct ModelColumns {
    #[diesel(sql_type = Text)]
    pub(super) model: String,
    #[diesel(sql_type = Array<BigInt>)]
    pub(super) steps_above: Vec<i64>,
    #[diesel(sql_type = Array<BigInt>)]
    pub(super) steps_price_micros: Vec<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) package_size: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) package_price_micros: Option<i64>,
}

impl ModelColumns {
    /// As the columns hold it.
    pub(crate) fn of(model: &PricingModel) -> Self {
        let steps = match model {
            PricingModel::Graduated(steps) | PricingModel::Volume(steps) => steps.as_slice(),
            PricingModel::PerSegment | PricingModel::FlatPerMessage | PricingModel::Package(_) => &[],
        };
        let package = if let PricingModel::Package(package) = model { Some(*package) } else { None };
        Self {
            model: model.name().to_owned(),
            // Beyond 2^63 units no month ever comes.
            steps_above: steps.iter().map(|step| i64::try_from(step.above).unwrap_or(i64::MAX)).collect(),
            steps_price_micros: steps.iter().map(|step| step.unit_price.0).collect(),
            package_size: package.map(|package| i64::try_from(package.size()).unwrap_or(i64::MAX)),
            package_price_micros: package.map(|package| package.price().0),
        }
    }

    /// The model that they hold.
    pub(crate) fn model(&self, table: Table) -> Result<PricingModel, Inconsistent> {
        match self.model.as_str() {
            "PER_SEGMENT" => Ok(PricingModel::PerSegment),
            "FLAT_PER_MESSAGE" => Ok(PricingModel::FlatPerMessage),
            "GRADUATED" => Ok(PricingModel::Graduated(self.steps(table)?)),
            "VOLUME" => Ok(PricingModel::Volume(self.steps(table)?)),
            "PACKAGE" => Ok(PricingModel::Package(self.package(table)?)),
            _ => Err(table.bad("model")),
        }
    }

    fn steps(&self, table: Table) -> Result<Steps, Inconsistent> {
        let both = self.steps_above.iter().zip(&self.steps_price_micros);
        let steps = both
            .map(|(above, price)| Ok(Step { above: table.count("steps_above", *above)?, unit_price: Micros(*price) }));
        Steps::new(steps.collect::<Result<_, Inconsistent>>()?).map_err(|_| table.bad("steps_above"))
    }

    fn package(&self, table: Table) -> Result<Package, Inconsistent> {
        let size = table.count("package_size", self.package_size.unwrap_or_default())?;
        let price = Micros(self.package_price_micros.unwrap_or(-1));
        Package::new(size, price).map_err(|_| table.bad("package_size"))
    }
}
