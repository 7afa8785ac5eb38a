//! The slapd.conf of one test.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Slapd, launch};
use crate::certs::{Authority, ServerCertificate};

/// The room a database may take, in bytes: a sparse file, so that a large number costs nothing.
const DATABASE_SIZE: u64 = 8 << 30;

/// Where the packaged modules are: Debian and Ubuntu, then others.
const MODULE_FOLDERS: [&str; 3] = ["/usr/lib/ldap", "/usr/lib/openldap", "/usr/lib64/openldap"];

/// Where the packaged schemas are.
const SCHEMA_FOLDERS: [&str; 2] = ["/etc/ldap/schema", "/etc/openldap/schema"];

/// A slapd still to be started.
#[derive(Clone, Debug)]
pub struct SlapdBuilder {
    pub(super) suffix: String,
    pub(super) ldif: String,
    pub(super) files: Vec<PathBuf>,
    pub(super) certificate: Option<ServerCertificate>,
    client_authority: Option<String>,
    overlays: Vec<String>,
    limits: Vec<String>,
    modules: Vec<String>,
    schema: Vec<String>,
    server_id: u16,
    indexed: &'static str,
    subordinate: Option<String>,
}

impl SlapdBuilder {
    pub(super) fn new(suffix: &str, ldif: String) -> Self {
        Self {
            suffix: suffix.to_owned(),
            ldif,
            files: Vec::new(),
            certificate: None,
            client_authority: None,
            overlays: Vec::new(),
            limits: Vec::new(),
            modules: Vec::new(),
            schema: Vec::new(),
            server_id: 0,
            indexed: "objectClass,entryUUID,entryCSN,mail,uid,member",
            subordinate: None,
        }
    }

    /// Keeps what lies below this DN in an empty database of its own, which slapd shows as part of the whole (slapd.conf(5),
    /// "subordinate"): no overlay watches it unless [`SlapdBuilder::glue`] comes before.
    #[must_use]
    pub fn subordinate(mut self, dn: &str) -> Self {
        self.subordinate = Some(dn.to_owned());
        self
    }

    /// Serves TLS with this certificate: StartTLS on the plain port, and `ldaps://` on a port of its own.
    #[must_use]
    pub fn tls(mut self, certificate: ServerCertificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Speaks TLS only with those who present a certificate of this authority; SASL EXTERNAL takes their subject for who
    /// they are.
    #[must_use]
    pub fn client_authority(mut self, authority: &Authority) -> Self {
        self.client_authority = Some(authority.certificate_pem().to_owned());
        self
    }

    /// Loads an overlay with its settings: `memberof`, `refint`, `syncprov`, …; the settings are lines of
    /// slapd.conf.
    #[must_use]
    pub fn overlay<const N: usize>(mut self, name: &str, settings: [&str; N]) -> Self {
        self.modules.push(name.to_owned());
        self.overlays.push(format!("overlay {name}\n{}", settings.join("\n")));
        self
    }

    /// Joins the databases before the overlays that follow, so that they watch all of them (slapd.overlays(5), "glue").
    #[must_use]
    pub fn glue(mut self) -> Self {
        self.overlays.push("overlay glue".to_owned());
        self
    }

    /// Knows an attribute type or an object class beyond the packaged schemas: a line of slapd.conf.
    #[must_use]
    pub fn schema(mut self, definition: &str) -> Self {
        self.schema.push(definition.to_owned());
        self
    }

    /// Loads a module, whatever comes of it: an overlay serves only the databases that name it.
    #[must_use]
    pub fn module(mut self, name: &str) -> Self {
        self.modules.push(name.to_owned());
        self
    }

    /// Offers a change feed (RFC 4533) whose log remembers this many operations; without a log it does not know what was
    /// removed.
    #[must_use]
    pub fn syncprov(self, session_log: Option<usize>) -> Self {
        let log = session_log.map(|operations| format!("syncprov-sessionlog {operations}"));
        self.overlay("syncprov", [log.as_deref().unwrap_or_default()])
    }

    /// Counts its changes as another server than the one that loaded the data, which is number 0 (slapd.conf(5), "serverID").
    #[must_use]
    pub fn server_id(mut self, number: u16) -> Self {
        self.server_id = number;
        self
    }

    /// Indexes what slapd's own packages index, and so finds nobody by `entryUUID` without looking at everybody.
    #[must_use]
    pub fn without_index_of_ids(mut self) -> Self {
        self.indexed = "objectClass,uid,member";
        self
    }

    /// Limits what one bind DN gets: `size.soft=10 size.hard=10`, `time=1` (slapd.conf(5), "limits").
    #[must_use]
    pub fn limit(mut self, bind_dn: &str, limit: &str) -> Self {
        self.limits.push(format!("limits dn.exact=\"{bind_dn}\" {limit}"));
        self
    }

    /// Loads a file of LDIF beyond the company's entries, for what is too large to be held in memory.
    #[must_use]
    pub fn load_file(mut self, file: &Path) -> Self {
        self.files.push(file.to_owned());
        self
    }

    /// Loads the data and starts the server.
    pub fn start(self) -> Slapd {
        launch(self).unwrap_or_else(|error| panic!("slapd could not be started: {error:#}"))
    }
}

/// Where in a folder the data is.
pub(super) const DATA: &str = "data";
/// Where in a folder the data of a subordinate database is.
const SUBORDINATE_DATA: &str = "subordinate-data";

/// Where the configuration of a folder is.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("slapd.conf")
}

/// Writes slapd.conf, the certificate's files, and the database's folder.
pub(super) fn write(builder: &SlapdBuilder, folder: &Path) -> Result<()> {
    fs::create_dir(folder.join(DATA))?;
    if builder.subordinate.is_some() {
        fs::create_dir(folder.join(SUBORDINATE_DATA))?;
    }
    if let Some(certificate) = &builder.certificate {
        fs::write(folder.join("certificate.pem"), &certificate.certificate_pem)?;
        fs::write(folder.join("key.pem"), &certificate.key_pem)?;
    }
    if let Some(authority) = &builder.client_authority {
        fs::write(folder.join("client-authority.pem"), authority)?;
    }
    fs::write(path(folder), text(builder, folder)?)?;
    Ok(())
}

/// Puts an access rule before those that the configuration has for the data.
pub(super) fn add_access(folder: &Path, rule: &str) -> Result<()> {
    insert_before("access ", folder, &format!("access {rule}"))
}

/// Gives what belongs to no database, such as the schema, an access rule; all else stays readable.
pub(super) fn add_global_access(folder: &Path, rule: &str) -> Result<()> {
    insert_before("database ", folder, &format!("access {rule}\naccess to * by * read"))
}

fn insert_before(directive: &str, folder: &Path, lines: &str) -> Result<()> {
    let conf = fs::read_to_string(path(folder))?;
    let at = conf
        .find(&format!("\n{directive}"))
        .context("every configuration has access rules and a database")?;
    let (before, after) = conf.split_at(at);
    fs::write(path(folder), format!("{before}\n{lines}{after}"))?;
    Ok(())
}

fn text(builder: &SlapdBuilder, folder: &Path) -> Result<String> {
    let SlapdBuilder { suffix, certificate, overlays, limits, modules, schema, server_id, .. } = builder;
    let here = folder.display();
    let mut conf = String::new();

    if let Some(schemas) = existing(&SCHEMA_FOLDERS) {
        for schema in ["core", "cosine", "inetorgperson", "nis"] {
            writeln!(conf, "include {schemas}/{schema}.schema")?;
        }
    }
    for definition in schema {
        writeln!(conf, "{definition}")?;
    }
    if let Some(modules) = existing(&MODULE_FOLDERS) {
        writeln!(conf, "modulepath {modules}\nmoduleload back_mdb")?;
    }
    if certificate.is_some() {
        writeln!(conf, "TLSCertificateFile {here}/certificate.pem\nTLSCertificateKeyFile {here}/key.pem")?;
    }
    if builder.client_authority.is_some() {
        writeln!(conf, "TLSCACertificateFile {here}/client-authority.pem\nTLSVerifyClient demand")?;
    }
    for module in modules {
        writeln!(conf, "moduleload {module}")?;
    }

    if *server_id > 0 {
        writeln!(conf, "serverID {server_id}")?;
    }
    let access = format!(
        "access to attrs=userPassword by anonymous auth by * none\n\
         access to * by dn.exact=\"cn=readonly,{suffix}\" read by * none"
    );
    if let Some(subordinate) = &builder.subordinate {
        writeln!(
            conf,
            "database mdb\nsuffix \"{subordinate}\"\ndirectory {here}/{SUBORDINATE_DATA}\nsubordinate"
        )?;
        writeln!(conf, "rootdn \"cn=root,{suffix}\"\ndbnosync\nindex {} eq\n{access}", builder.indexed)?;
    }
    writeln!(conf, "database mdb\nsuffix \"{suffix}\"\ndirectory {here}/{DATA}\nmaxsize {DATABASE_SIZE}")?;
    writeln!(conf, "rootdn \"cn=root,{suffix}\"\nrootpw \"{}\"", Slapd::ROOT_PASSWORD)?;
    // The data need not outlive the machine, only the process.
    writeln!(conf, "dbnosync\nsizelimit unlimited\ntimelimit unlimited")?;
    writeln!(conf, "index {} eq", builder.indexed)?;
    for limit in limits {
        writeln!(conf, "{limit}")?;
    }
    writeln!(conf, "{access}")?;
    for overlay in overlays {
        writeln!(conf, "{overlay}")?;
    }
    Ok(conf)
}

fn existing<'a>(folders: &[&'a str]) -> Option<&'a str> {
    folders.iter().copied().find(|folder| Path::new(folder).is_dir())
}
