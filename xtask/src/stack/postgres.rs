//! PostgreSQL: a primary, a streaming replica, and what the service expects to find there before its migrations.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use super::Purpose;
use super::process::{any_in, becomes_true};
use super::site::{Site, server_command};
use crate::exec;

/// The system user that PostgreSQL runs as, if this program may not run it as itself.
#[derive(Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

const DATABASE: &str = "billing";

/// How long the children of a killed server may take to notice.
const CHILDREN_LIMIT: Duration = Duration::from_secs(10);
/// How long the replica may take to reach the primary.
const FOLLOW_LIMIT: Duration = Duration::from_secs(30);

/// What `postgresql.conf` says beyond the defaults, for a machine with two cores and little memory.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
shared_buffers = 256MB
wal_level = replica
hot_standby = on
max_wal_senders = 5
max_replication_slots = 5
max_wal_size = 2GB
max_slot_wal_keep_size = 4GB
wal_retrieve_retry_interval = 200ms
checkpoint_completion_target = 0.9
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
";

/// Tests make many databases and throw all of them away.
const SETTINGS_FOR_TESTS: &str = "
fsync = off
full_page_writes = off
synchronous_commit = off
max_connections = 300
";

/// What is measured is a server that has memory of its own, set up as docs/SCALING.md asks.
const SETTINGS_FOR_BENCH: &str = "
shared_buffers = 4GB
max_wal_size = 16GB
checkpoint_timeout = 30min
wal_compression = off
max_slot_wal_keep_size = 32GB
";

/// Where the data folders of a stack in `dir` go: into it, or into the temporary folder if the user that runs PostgreSQL
/// cannot reach it.
pub(crate) fn home(dir: &Path) -> Result<PathBuf> {
    let Some(user) = other_user()? else { return Ok(dir.to_owned()) };
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let reachable = as_user(std::process::Command::new("true").current_dir(dir), user).status().is_ok();
    if reachable {
        return Ok(dir.to_owned());
    }
    Ok(std::env::temp_dir().join(format!("billing-stack-{}", Uuid::new_v4().simple())))
}

/// Starts primary and replica. True if either had to be started.
pub(crate) async fn up(site: &Site) -> Result<bool> {
    let user = other_user()?;
    let home = site.postgres_home();
    if !home.exists() {
        fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
        fs::set_permissions(&home, Permissions::from_mode(0o711)).context("cannot open the folder for PostgreSQL")?;
    }
    let primary = home.join("postgres");
    if !primary.exists() {
        init(site, &primary, user).await?;
    }
    let primary_started = start(site, "postgres", &primary, user).await?;
    prepare(site).await?;
    if !site.has_replica {
        return Ok(primary_started);
    }
    let replica = home.join("replica");
    if !replica.exists() {
        copy(site, &replica, user).await?;
    }
    let replica_started = start(site, "replica", &replica, user).await?;
    follow(site).await?;
    Ok(primary_started || replica_started)
}

/// `postgres://…` of the superuser for the server `name`; the application's database, or `postgres` for tests.
pub(crate) fn superuser_url(site: &Site, name: &str) -> String {
    let database = if site.purpose == Purpose::Tests { "postgres" } else { DATABASE };
    format!("postgres://postgres:{}@{}/{database}", site.secret(|s| s.superuser.clone()), site.address(name))
}

/// `postgres://…` without credentials.
pub(crate) fn url(site: &Site, name: &str) -> String {
    format!("postgres://{}/{DATABASE}", site.address(name))
}

async fn init(site: &Site, data: &Path, user: Option<User>) -> Result<()> {
    private_folder(data, user)?;
    let password = data.with_extension("password");
    super::state::write_private(&password, site.secret(|s| s.superuser.clone()).as_bytes())?;
    give(&password, user)?;
    let mut command = program(site, "initdb", data, user);
    command.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
    command.arg("--pgdata").arg(data).arg("--pwfile").arg(&password);
    let made = exec::output("initdb", &mut command).await;
    fs::remove_file(&password).with_context(|| format!("cannot remove {}", password.display()))?;
    made?;
    let file = data.join("postgresql.conf");
    let extra = match site.purpose {
        Purpose::Service => "",
        Purpose::Tests => SETTINGS_FOR_TESTS,
        Purpose::Bench => SETTINGS_FOR_BENCH,
    };
    let config = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    fs::write(&file, config + SETTINGS + extra).with_context(|| format!("cannot write {}", file.display()))
}

async fn copy(site: &Site, data: &Path, user: Option<User>) -> Result<()> {
    private_folder(data, user)?;
    let mut command = program(site, "pg_basebackup", data, user);
    command.env("PGPASSWORD", site.secret(|s| s.superuser.clone()));
    command.args(["--host=127.0.0.1", "--username=postgres", "--port", &site.port("postgres").to_string()]);
    command.args(["--create-slot", "--slot=replica", "--write-recovery-conf", "--wal-method=stream"]);
    command.args(["--checkpoint=fast", "--no-sync", "--pgdata"]).arg(data);
    exec::output("pg_basebackup", &mut command).await?;
    Ok(())
}

async fn start(site: &Site, name: &str, data: &Path, user: Option<User>) -> Result<bool> {
    if !site.runs(name) {
        unlock(data).await?;
    }
    let command = || {
        let mut command = program(site, "postgres", data, user);
        // The name is what `synchronous_standby_names` knows the replica by.
        command.args(["-p", &site.port(name).to_string(), "-c", &format!("cluster_name={name}"), "-D"]).arg(data);
        Ok(command)
    };
    let answers = async || {
        let client = connect(site, name, "postgres").await?;
        client.simple_query("SELECT 1").await.context("no answer to a query")?;
        Ok(())
    };
    site.ensure(name, "", command, answers).await
}

/// Removes the lock file of a server that was killed. PostgreSQL itself takes a killed server for a running one until its
/// parent has collected it. Its last children must be gone, or two servers would write the same files.
async fn unlock(data: &Path) -> Result<()> {
    let lock = data.join("postmaster.pid");
    if !lock.exists() {
        return Ok(());
    }
    ensure!(
        becomes_true(CHILDREN_LIMIT, || !any_in(data)).await,
        "processes of an earlier PostgreSQL still work in {}: end them",
        data.display()
    );
    fs::remove_file(&lock).with_context(|| format!("cannot remove {}", lock.display()))
}

/// Waits until the replica receives what the primary writes.
async fn follow(site: &Site) -> Result<()> {
    let replica = connect(site, "replica", "postgres").await?;
    let deadline = Instant::now() + FOLLOW_LIMIT;
    let streams = "SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'";
    while replica.query_opt(streams, &[]).await.context("no answer from the replica")?.is_none() {
        if Instant::now() >= deadline {
            bail!("the replica does not follow the primary: `cargo xtask down`, then up again");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Roles and the extension that only a superuser can make, and for a whole stack its database and its users.
async fn prepare(site: &Site) -> Result<()> {
    let template = connect(site, "postgres", "template1").await?;
    let exclusion = "CREATE EXTENSION IF NOT EXISTS btree_gist";
    template.batch_execute(exclusion).await.context("cannot create the extension btree_gist")?;
    drop(template);

    let admin = connect(site, "postgres", "postgres").await?;
    for role in ["billing_owner", "billing_api", "billing_worker"] {
        create_role(&admin, role, "NOLOGIN").await?;
    }
    if site.purpose == Purpose::Tests {
        return Ok(());
    }
    let users = site.secret(|s| {
        let of = |role: &'static str, password: &String| (role, password.clone());
        [of("billing_owner", &s.owner), of("billing_api", &s.api), of("billing_worker", &s.worker)]
    });
    for (role, password) in users {
        let login = format!("{role}_login");
        create_role(&admin, &login, &format!("LOGIN PASSWORD '{password}'")).await?;
        admin
            .batch_execute(&format!("GRANT {role} TO {login}"))
            .await
            .with_context(|| format!("cannot grant {role}"))?;
    }
    let database = "SELECT FROM pg_database WHERE datname = $1";
    if admin.query_opt(database, &[&DATABASE]).await.context("cannot list databases")?.is_none() {
        let create = format!("CREATE DATABASE {DATABASE} OWNER billing_owner");
        admin.batch_execute(&create).await.context("cannot create the database")?;
    }
    Ok(())
}

async fn create_role(admin: &Client, name: &str, properties: &str) -> Result<()> {
    let known = admin.query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[&name]).await;
    if known.context("cannot list roles")?.is_none() {
        let create = format!("CREATE ROLE {name} {properties}");
        admin.batch_execute(&create).await.with_context(|| format!("cannot create the role {name}"))?;
    }
    Ok(())
}

async fn connect(site: &Site, name: &str, database: &str) -> Result<Client> {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(site.port(name)).user("postgres").dbname(database);
    config.password(site.secret(|s| s.superuser.clone()));
    let (client, connection) = config.connect(NoTls).await.with_context(|| format!("cannot connect to {name}"))?;
    tokio::spawn(connection);
    Ok(client)
}

fn program(site: &Site, name: &str, data: &Path, user: Option<User>) -> Command {
    let mut command = server_command(&site.servers.postgres.join(name), data);
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

fn private_folder(path: &Path, user: Option<User>) -> Result<()> {
    fs::create_dir(path).with_context(|| format!("cannot create {}", path.display()))?;
    fs::set_permissions(path, Permissions::from_mode(0o700))
        .with_context(|| format!("cannot close {}", path.display()))?;
    give(path, user)
}

fn give(path: &Path, user: Option<User>) -> Result<()> {
    let Some(user) = user else { return Ok(()) };
    chown(path, Some(user.uid), Some(user.gid))
        .with_context(|| format!("cannot change the owner of {}", path.display()))
}

/// PostgreSQL refuses to run as root: then `postgres`, else `nobody`.
fn other_user() -> Result<Option<User>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    let user = ["postgres", "nobody"].into_iter().find_map(|name| user_in(&passwd, name));
    ensure!(user.is_some(), "PostgreSQL does not run as root: add a system user `postgres`");
    Ok(user)
}

fn user_in(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let named = fields.next() == Some(name);
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        named.then_some(User { uid, gid })
    })
}

fn as_user(command: &mut std::process::Command, user: User) -> &mut std::process::Command {
    std::os::unix::process::CommandExt::uid(command, user.uid);
    std::os::unix::process::CommandExt::gid(command, user.gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_passwd() {
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\nnot a line\npostgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\n";
        for (name, expected) in [("postgres", Some((101, 104))), ("root", Some((0, 0))), ("nobody", None)] {
            assert_eq!(user_in(passwd, name).map(|user| (user.uid, user.gid)), expected, "{name}");
        }
    }
}
