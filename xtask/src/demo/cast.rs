//! Who plays: operators, tenants and their accounts, made up from a seed. Names and places are invented.

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use uuid::Uuid;

/// The mobile operators of the country (MCC 412), and how much of the traffic each carries.
pub(crate) const OPERATORS: [(&str, &str, u32); 5] = [
    ("41201", "AWCC", 30),
    ("41220", "Roshan", 26),
    ("41240", "MTN", 20),
    ("41250", "Etisalat", 16),
    ("41280", "Salaam", 8),
];

/// Accounts of one tenant.
const TENANT_SIZE: usize = 3;

/// One in ten accounts each: tier, currency, share of the traffic.
const KINDS: [(&str, &str, u32); 10] = [
    ("ENTERPRISE", "USD", 30),
    ("GROWTH", "USD", 12),
    ("STARTER", "USD", 3),
    ("CUSTOM", "USD", 14),
    ("STARTER", "AFN", 3),
    ("GROWTH", "AFN", 9),
    ("GROWTH", "USD", 10),
    ("STARTER", "USD", 3),
    ("STARTER", "AFN", 2),
    ("GROWTH", "USD", 12),
];
/// The first of its kind: the one that the late usage comes for.
pub(crate) const ENTERPRISE: usize = 0;
/// The one whose late usage waits for the next month's invoice.
pub(crate) const LATECOMER: usize = 1;
/// The one with prices of its own.
pub(crate) const NEGOTIATED: usize = 3;
/// The one that uses a second currency.
pub(crate) const TWO_CURRENCIES: usize = 6;
/// The one whose name and address nobody has entered.
pub(crate) const NAMELESS: usize = 7;

const NAMES: [&str; 20] = [
    "Hindukush Microfinance",
    "Bamyan Cooperative Bank",
    "Kabul Ride",
    "Herat Saffron Exporters",
    "شرکت تجارتی هریرود",
    "Pamir Online Pharmacy",
    "Balkh Textile Works",
    "د کندهار وچو میوو شرکت",
    "Nangarhar Citrus Union",
    "پوهنتون خصوصی آریانا",
    "Panjshir Courier",
    "Wardak Apple Growers",
    "شفاخانهٔ نور کابل",
    "Badghis Pistachio Trade",
    "Helmand Water & Power",
    "د ننګرهار برېښنا شرکت",
    "Takhar Mobile Wallet",
    "Ghor School Network",
    "مؤسسهٔ خیریهٔ امید",
    "Silk Road Logistics",
];
/// Address lines beside each kind of name.
const STREETS: [(&str, &str); 5] = [
    ("Shahr-e-Naw, Street 7", "Kabul"),
    ("Darb-e-Malik, Block 3", "Herat"),
    ("Kefayat Square", "Mazar-e-Sharif"),
    ("Aino Mena, Plot 112", "Kandahar"),
    ("Angoor Bagh", "Jalalabad"),
];
const STREETS_IN_SCRIPT: [(&str, &str); 3] =
    [("شهر نو، سرک هفتم", "کابل"), ("چوک شهیدان", "کندهار"), ("جادهٔ مخابرات، کوچهٔ ۴", "هرات")];

/// A customer of a tenant.
pub(crate) struct Account {
    pub(crate) id: Uuid,
    pub(crate) tenant: Uuid,
    pub(crate) tier: &'static str,
    pub(crate) currency: &'static str,
    /// A second currency that a part of its messages is charged in.
    pub(crate) also: Option<&'static str>,
    /// Whether its messages may be reported in the second producer's shape.
    pub(crate) has_reports: bool,
    /// Share of the traffic.
    pub(crate) weight: u32,
    /// What an invoice prints.
    pub(crate) party: Option<Party>,
}

/// A customer as an invoice names it.
pub(crate) struct Party {
    pub(crate) name: String,
    pub(crate) address: Vec<String>,
    pub(crate) tax_id: String,
}

/// The accounts; the same for the same seed and number.
pub(crate) fn accounts(number: usize, seed: u64) -> Vec<Account> {
    let mut rng = StdRng::seed_from_u64(seed);
    let tenants: Vec<Uuid> = (0..number.div_ceil(TENANT_SIZE)).map(|_| id(&mut rng)).collect();
    (0..number)
        .map(|index| {
            let (tier, currency, weight) = KINDS[index % KINDS.len()];
            let also = (index == TWO_CURRENCIES).then_some("AFN");
            Account {
                id: id(&mut rng),
                tenant: tenants[index / TENANT_SIZE],
                tier,
                currency,
                also,
                // A report names no currency: the account's main one is meant.
                has_reports: also.is_none(),
                weight,
                party: (index != NAMELESS).then(|| party(index)),
            }
        })
        .collect()
}

fn party(index: usize) -> Party {
    let round = index / NAMES.len();
    let name = NAMES[index % NAMES.len()];
    let (street, city) = if name.is_ascii() {
        STREETS[index % STREETS.len()]
    } else {
        STREETS_IN_SCRIPT[index % STREETS_IN_SCRIPT.len()]
    };
    let name = if round == 0 { name.to_owned() } else { format!("{name} {}", round + 1) };
    let address = vec![street.to_owned(), city.to_owned(), "Afghanistan".to_owned()];
    Party { name, address, tax_id: format!("{}", 9_000_120_000_u64 + 37 * u64::try_from(index).unwrap_or_default()) }
}

fn id(rng: &mut StdRng) -> Uuid {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
