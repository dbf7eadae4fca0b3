//! The statements that a question of usage comes to, asked by pgbench on the replica, as the api's role.
//!
//! They are those of `billing_postgres::usage_reader`, in the form that the api sends; pgbench prepares them once, as the api
//! does, and takes an account at random.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;

use super::fill::{FIRST_DAY, LAST_DAY};
use crate::stack::Info;
use crate::{exec, setup, tree};

const SCRIPT: &str = r"\set n random(1, :accounts)
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT set_config('app.tenant_id', lpad(to_hex(:n::int), 16, '0') || repeat('0', 16), true),
    set_config('statement_timeout', '10s', true);
SELECT p.tenant_id, p.currency, now() AS now
FROM (SELECT) AS one LEFT JOIN LATERAL (
    SELECT tenant_id, currency FROM billing.account_profiles
    WHERE account_id = lpad(to_hex(:n::int), 32, '0')::uuid
        AND tenant_id = (lpad(to_hex(:n::int), 16, '0') || repeat('0', 16))::uuid
    ORDER BY (effective_from <= (now() AT TIME ZONE 'UTC')::date) DESC,
        (effective_from <= (now() AT TIME ZONE 'UTC')::date AND created_by IS NOT NULL) DESC,
        CASE WHEN effective_from <= (now() AT TIME ZONE 'UTC')::date THEN effective_from END DESC, effective_from,
        position DESC
    LIMIT 1) AS p ON true;
SELECT currency, day::timestamp AT TIME ZONE 'UTC' AS start, sum(messages)::bigint AS messages,
    sum(segments)::bigint AS segments, sum(amount_micros)::text AS amount, sum(cost_micros)::text AS cost,
    sum(uncosted)::bigint AS uncosted, sum(foreign_cost)::bigint AS foreign_cost
FROM billing.usage_buckets
WHERE merged_into IS NULL AND account_id = lpad(to_hex(:n::int), 32, '0')::uuid
    AND tenant_id = (lpad(to_hex(:n::int), 16, '0') || repeat('0', 16))::uuid
    AND day >= '{first}' AND day < '{last}'::date + 1
GROUP BY currency, day;
COMMIT;
";

/// Runs it; transactions a second.
pub(crate) async fn run(
    info: &Info,
    login: &(&'static str, String),
    accounts: u32,
    clients: u32,
    during: Duration,
) -> Result<u64> {
    let file = tree::root().join("target/bench-rest-stack/usage.sql");
    let script = SCRIPT.replace("{first}", FIRST_DAY).replace("{last}", LAST_DAY);
    std::fs::write(&file, script).with_context(|| format!("cannot write {}", file.display()))?;
    let (_, place) = info.replica_url.rsplit_once('@').context("no address of the replica")?;
    let (address, database) = place.split_once('/').context("no database of the replica")?;
    let (host, port) = address.split_once(':').context("no port of the replica")?;
    let mut command = Command::new(setup::servers(&tree::root())?.postgres.join("pgbench"));
    command.args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--host", host, "--port", port]);
    command.args(["--username", login.0, "--client", &clients.to_string()]);
    command.args(["--time", &during.as_secs().to_string(), "--define", &format!("accounts={accounts}"), "--file"]);
    command.arg(&file).arg(database).env("PGPASSWORD", &login.1);
    let told = exec::output("pgbench", &mut command).await?;
    let rate = told.lines().find_map(|line| line.strip_prefix("tps = ")).context("pgbench tells no rate")?;
    let whole = rate.split(['.', ' ']).next().unwrap_or_default();
    whole.parse().with_context(|| format!("pgbench tells its rate as {rate}"))
}
