//! Where the control plane keeps everything; the only folder that names `sqlx`.
//!
//! SQLite embedded: WAL, one writer. PostgreSQL follows with the same SQL text, which is why it says `$1`, reads no
//! clock and increments nothing by itself. One file per table or per task.

mod accounts;
mod api_keys;
mod apply;
mod backfill;
mod beside;
mod bulk;
mod changes;
mod container_keys;
mod display_keys;
mod facts;
mod forgotten;
mod gauges;
mod ledger;
mod lock;
mod members;
mod mirror;
mod queue;
mod references;
mod removal;
mod reports;
mod runs;
mod schedules;
mod sign_in;
mod staging;
mod synchronizations;
mod touched;
mod units;
mod users;

pub use accounts::Account;
pub use api_keys::{ApiKey, ListedApiKey};
pub use apply::Applied;
pub use beside::LookedUp;
pub use changes::{ChangeRow, NextState, OutcomeRow};
pub use display_keys::display_key;
pub use facts::{Chunk, Claimant, LastMark, LeftOut, Member, Planned, Rivals, Turns, Unidentified, shown};
pub use forgotten::UNAPPLIED_PLANS_KEPT;
pub use gauges::Gauges;
pub use ledger::{LedgerEntry, LedgerRow, LocalChange};
pub use lock::ServingLock;
pub use mirror::{Expected, Whereabouts};
pub use queue::{Queued, Standing};
pub use removal::{DroppedPlan, Removal};
pub use reports::{ChangeOfRun, ChangesFilter, ObjectsFilter, RecognizedObject};
pub use runs::{Checkpoint, Conclusion, DecidedOn, Opened, RemovedLately, Run, SyncState};
pub use schedules::{QueuedDue, Scheduled};
pub use sign_in::{Meant, Nominee};
pub use staging::{Channel, Earlier, Origin, Outcome, StageError, StagedObject};
pub use synchronizations::{AgentCredentials, Edit, Editable, Edited, LastDue, Synchronization};
pub use touched::Known;
pub use units::{Place, Resolved, StoredMember, StoredUnit};
pub use users::{StoredUser, UserState, UsersFilter};

use anyhow::{Context, anyhow, bail};
use sqlx::{
    Connection, SqliteConnection, SqlitePool, Transaction,
    sqlite::{Sqlite, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

/// The migrations of the main database, applied when it is opened.
static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Lists are read by several connections at a time; more would only compete for the same cores.
const READERS: u32 = 4;
/// How long a writer waits for another process (a command beside a running `serve`) before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Pages of the main file kept in memory by the writer (KiB, negative by SQLite's convention): an apply of 100,000
/// people touches its indexes at random.
const WRITER_CACHE: &str = "-131072";
/// Bytes of a page: rows of a kilobyte and indexes touched at random want larger ones than SQLite's 4 KiB.
const PAGE_SIZE: u32 = 8192;
/// Pages of the write-ahead log (a gigabyte of them) at which a commit moves them into the file itself; until then
/// [`Store::checkpoint_wal`] does it when nobody waits. A first import of 100,000 people writes 300 MB.
const WAL_PAGES: &str = "131072";
/// Bytes of the write-ahead log that stay on the disk once they are moved: room for what is written between two imports, and not
/// for ever that of the largest (3 GB for a first one of 1,000,000 people).
const WAL_KEPT: &str = "134217728";

/// The database.
///
/// Three pools of connections to the same two files. SQLite lets one connection write a file at a time: queueing here
/// is fair and never ends in "database is locked".
#[derive(Clone)]
pub struct Store {
    read: SqlitePool,
    write: SqlitePool,
    stage: SqlitePool,
}

/// A transaction on the main database.
pub(crate) type Tx = Transaction<'static, Sqlite>;

impl Store {
    /// Opens `sqlite:PATH`, creating and migrating it.
    ///
    /// `max_pages` limits the main file (SQLite's `max_page_count`); tests use it to run out of room.
    pub async fn open(url: &str, max_pages: Option<u32>) -> anyhow::Result<Self> {
        let path = path_of(url)?;
        let options = |cache: &'static str| connect_options(url, cache, max_pages);
        let pool = |size, options| {
            let staging = format!("{}-staging", path.display());
            SqlitePoolOptions::new()
                .max_connections(size)
                .acquire_timeout(BUSY_TIMEOUT * 4)
                .before_acquire(|connection, _| Box::pin(async { Ok(is_clean(connection)) }))
                .after_connect(move |connection, _| {
                    let staging = staging.clone();
                    Box::pin(async move { attach_staging(connection, &staging).await })
                })
                .connect_with(options)
        };
        let refused = |error: sqlx::Error| unusable(&path, error);
        for file in [path.display().to_string(), format!("{}-staging", path.display())] {
            create_private(Path::new(&file)).map_err(|error| cannot_open(Path::new(&file), &error))?;
        }
        let write = pool(1, options(WRITER_CACHE)?).await.map_err(refused)?;
        migrate(&write).await.with_context(|| format!("cannot migrate the database {}", path.display()))?;
        staging::make_tables(&write).await.map_err(refused)?;
        let stage = pool(1, options("-16384")?).await.map_err(refused)?;
        let read = pool(READERS, options("-8192")?).await.map_err(refused)?;
        Ok(Self { read, write, stage })
    }

    /// Waits for the writer and begins a transaction on the main database.
    pub(crate) async fn begin(&self) -> sqlx::Result<Tx> {
        let mut tx = self.write.begin_with("BEGIN").await?;
        // A reader that turns writer half way could find the file changed under it and would have to fail, so the lock
        // is taken at once. BEGIN IMMEDIATE would take that of the staging file too and keep everybody's batches waiting.
        sqlx::query("UPDATE accounts SET ledger_seq = ledger_seq WHERE id = ''").execute(&mut *tx).await?;
        Ok(tx)
    }

    /// Moves the write-ahead logs into the files, as far as nobody is in the way. A big apply leaves this for later.
    pub async fn checkpoint_wal(&self) -> anyhow::Result<()> {
        let mut connection = self.read.acquire().await?;
        sqlx::raw_sql("PRAGMA main.wal_checkpoint(PASSIVE); PRAGMA staging.wal_checkpoint(PASSIVE);")
            .execute(&mut *connection)
            .await?;
        Ok(())
    }

    /// Waits for the staging writer and begins a transaction on the staging file.
    pub(crate) async fn begin_staging(&self) -> sqlx::Result<Tx> {
        self.stage.begin_with("BEGIN").await
    }
}

/// Whether a connection can begin a transaction. After a full disk or a failed write SQLite rolls back by itself, which the
/// driver does not notice: it believes to be in a transaction for ever. Such a connection is closed, and another opened.
fn is_clean(connection: &SqliteConnection) -> bool {
    !connection.is_in_transaction()
}

/// The file of `sqlite:PATH`.
fn path_of(url: &str) -> anyhow::Result<PathBuf> {
    let Some(path) = url.strip_prefix("sqlite:") else {
        // Never more than the scheme: what follows may hold a password.
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        bail!(
            "databases of the kind \"{scheme}\" are not supported; use sqlite:PATH, for example sqlite:adc.db"
        );
    };
    Ok(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
}

/// Why a file of the database cannot be opened, and what to do.
fn cannot_open(path: &Path, error: &std::io::Error) -> anyhow::Error {
    let path = path.display();
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            anyhow!(
                "cannot open the database {path}: its folder does not exist; make it, or choose another by --database"
            )
        }
        std::io::ErrorKind::PermissionDenied => {
            anyhow!(
                "cannot open the database {path}: permission denied; let this user write its folder, or choose another by --database"
            )
        }
        _ => anyhow!("cannot open the database {path}: {error}; mend that, or choose another by --database"),
    }
}

/// Why SQLite cannot use a file that is there, said once: sqlx's own error says it in its text and as its cause.
fn unusable(path: &Path, error: sqlx::Error) -> anyhow::Error {
    let why = match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        error => error.to_string(),
    };
    anyhow!(
        "cannot open the database {}: {why}; restore it from a backup, or choose another by --database",
        path.display()
    )
}

/// Brings a database of a version before up to date.
async fn migrate(write: &SqlitePool) -> anyhow::Result<()> {
    MIGRATOR.run(write).await?;
    display_keys::fill_in(write).await?;
    container_keys::fill_in(write).await
}

/// Makes a file that only its owner can read, if there is none: it will hold a company's people. SQLite gives its
/// write-ahead log the same mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn connect_options(
    url: &str,
    cache: &'static str,
    max_pages: Option<u32>,
) -> anyhow::Result<SqliteConnectOptions> {
    let mut options = SqliteConnectOptions::from_str(url)
        .with_context(|| format!("the database \"{url}\" cannot be understood; use sqlite:PATH"))?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .page_size(PAGE_SIZE)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("cache_size", cache)
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", WAL_PAGES)
        .pragma("journal_size_limit", WAL_KEPT)
        .statement_cache_capacity(200);
    if let Some(pages) = max_pages {
        options = options.pragma("max_page_count", pages.to_string());
    }
    Ok(options)
}

async fn attach_staging(connection: &mut SqliteConnection, path: &str) -> sqlx::Result<()> {
    sqlx::query("ATTACH DATABASE $1 AS staging").bind(path).execute(&mut *connection).await?;
    // Staging may lose its last moments in a power failure: its run is then interrupted and starts again.
    let pragmas = format!(
        "PRAGMA staging.journal_mode = WAL; PRAGMA staging.synchronous = NORMAL; PRAGMA staging.cache_size = -32768;
         PRAGMA staging.journal_size_limit = {WAL_KEPT};"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(pragmas)).execute(connection).await?;
    Ok(())
}

/// Whether a write went through; `false` when something else has the name already.
fn inserted(result: sqlx::Result<sqlx::sqlite::SqliteQueryResult>) -> sqlx::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
        Err(error) => Err(error),
    }
}
