//! A PostgreSQL of its own, on a socket in a temporary folder.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// Where Debian and Ubuntu put each version's programs.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Whom the server runs as where this user may not be one of its: it refuses to serve as root.
const SERVICE_USER: &str = "postgres";

/// The database's own administrator.
const ADMINISTRATOR: &str = "adc";

/// A running server; it is stopped, and its data removed, when this is dropped.
pub(crate) struct Server {
    folder: TempDir,
    programs: PathBuf,
    /// User and group that the server runs as, where they are not this process's own.
    user: Option<(u32, u32)>,
}

impl Server {
    /// Makes a cluster and starts it.
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let is_root = fs::metadata(folder.path()).expect("it was just made").uid() == 0;
        let user = is_root.then(|| (number("--user"), number("--group")));
        if let Some((user, group)) = user {
            chown(folder.path(), Some(user), Some(group)).expect("root may give a folder away");
        }
        let server = Self { folder, programs: newest(), user };
        let data = server.data();
        // What a crash would cost is nobody's concern here.
        let new = [
            "--username",
            ADMINISTRATOR,
            "--auth",
            "trust",
            "--no-sync",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
        ];
        server.succeeds(server.program("initdb").args(new).arg(&data));
        let options = format!("-c listen_addresses='' -c fsync=off -k '{}'", server.folder.path().display());
        let log = server.folder.path().join("log");
        server.succeeds(
            server
                .program("pg_ctl")
                .arg("start")
                .arg("-w")
                .arg("-D")
                .arg(&data)
                .arg("-l")
                .arg(log)
                .args(["-o", &options]),
        );
        server
    }

    /// Runs scripts, one after the other whatever becomes of each; what the server complains of, by the script's name.
    pub(crate) fn run(&self, scripts: &[(String, String)]) -> String {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--username", ADMINISTRATOR, "--dbname", "postgres", "--host"]);
        psql.arg(self.folder.path());
        for (name, script) in scripts {
            let file = folder.path().join(name.replace('/', " "));
            fs::write(&file, script).expect("the temporary folder has room");
            psql.arg("--file").arg(file);
        }
        let output = psql.output().expect("psql can be run");
        assert_ne!(output.status.code(), Some(2), "psql has no connection: {}", said(&output));
        said(&output).replace(&format!("psql:{}/", folder.path().display()), "")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of the server's programs, as the user that it serves as.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.folder.path());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    fn succeeds(&self, command: &mut Command) {
        // The server would keep a pipe open for as long as it runs.
        let to = self.folder.path().join("said");
        let file = fs::File::create(&to).expect("the temporary folder has room");
        let also = file.try_clone().expect("a file can be opened twice");
        let status = command.stdout(file).stderr(also).status().expect("PostgreSQL's programs can be run");
        assert!(status.success(), "{command:?}: {}", fs::read_to_string(to).unwrap_or_default());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut stop = self.program("pg_ctl");
        // A server that never started cannot be stopped, and the test has said so.
        let _ = stop.args(["stop", "-m", "immediate", "-D"]).arg(self.data()).output();
    }
}

/// The programs of the newest version that is installed.
fn newest() -> PathBuf {
    let versions =
        fs::read_dir(VERSIONS).into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    versions
        .filter(|programs| Path::new(programs).join("initdb").is_file())
        .max_by_key(|programs| {
            let version = programs.parent().and_then(Path::file_name).and_then(|name| name.to_str());
            version.and_then(|version| version.parse::<u32>().ok())
        })
        .unwrap_or_else(|| {
            panic!("PostgreSQL is not installed below {VERSIONS}; `cargo xtask test` does that")
        })
}

/// The number of the service's user, or of its group.
fn number(which: &str) -> u32 {
    let output = Command::new("id").args([which, SERVICE_USER]).output().expect("id can be run");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("the package makes its user")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
