//! What administrators write, and what becomes of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use secrecy::ExposeSecret;

use super::file::File;
use super::*;

/// The adc.yaml that administrators already have, exactly as the contract shows it.
const CONTRACT: &str = "\
settings:                                 # each may be left out; then the server, then the default decides: false, but true for no-update-provider-mismatch
  dry-run: true
  no-update: false
  no-create: false
  no-delete: false
  delete-disables: true
  no-update-provider-mismatch: true
  create-as-disabled: false

backend:
  ldap:
    addr: ldap://your-ldap-server.local   # ldap:// (StartTLS by `start_tls: true`), ldaps://, ldapi://; [2] a list means fail-over, in order
    bind_dn: cn=readonly,dc=lg,dc=local
    bind_password: readonly               # or bind_password_file, or the systemd credential `adc-bind-password`
    base_dn: dc=lg,dc=local
    scope: sub                            # base | one | sub
    sync:
      page_size: 20                       # default 1000
      filter: (objectClass=inetOrgPerson)
    authentication:
      username_attribute: mail
      username_filter_template: (&(objectClass=inetOrgPerson)(mail=%s))
      timeout: 5                          # seconds
";

const SERVER: &str = "\
server:
  url: https://cloud.example.com
  application_id: app_1
  secret_token: geheim
";

const DIRECTORY: &str = "\
backend:
  ldap:
    addr: ldaps://dc1.lg.local
    bind_dn: cn=readonly,dc=lg,dc=local
    bind_password: readonly
    base_dn: dc=lg,dc=local
";

fn resolved_with(text: &str, environment: &Environment) -> Result<Config, ConfigError> {
    resolve("adc.yaml", File::parse("adc.yaml", text)?, &Overrides::default(), environment)
}

fn resolved(text: &str) -> Result<Config, ConfigError> {
    resolved_with(text, &Environment::default())
}

fn refusal(text: &str) -> String {
    resolved(text).expect_err("must be refused").to_string()
}

#[test]
fn the_file_of_the_contract_works_as_it_is() {
    let environment = Environment::from([
        ("ADC_SERVER_URL", "https://cloud.example.com"),
        ("ADC_APPLICATION_ID", "app_1"),
        ("ADC_SECRET_TOKEN", "geheim"),
    ]);
    let config = resolved_with(CONTRACT, &environment).expect("works");
    assert_eq!(config.settings.dry_run, Some(true));
    assert_eq!(config.directory.address.to_string(), "ldap://your-ldap-server.local:389");
    assert_eq!(config.directory.bind_password.expose_secret(), "readonly");
    assert_eq!(config.directory.page_size, 20);
    assert_eq!(
        config.directory.people_filter.as_ref().map(ToString::to_string).as_deref(),
        Some("(objectClass=inetOrgPerson)")
    );
    assert_eq!(config.authentication.timeout, Duration::from_secs(5));
    insta::assert_snapshot!(config.warnings.join("\n"), @"backend.ldap.addr: ldap://your-ldap-server.local:389 sends the bind password and everything read in clear; use ldaps://, or set start_tls: true");
}

#[test]
fn the_example_is_a_configuration() {
    let file = File::parse("examples/adc.yaml", EXAMPLE).expect("parses");
    assert_eq!(file.backend.ldap.sync.page_size.map(|written| written.value), Some(20));
    assert_eq!(file.oddities, []);
    // What stands in comments as a sample is a configuration too.
    let is_sample = |text: &str| {
        let (key, value) = text.split_once(':').unwrap_or_default();
        !key.is_empty()
            && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            && (value.is_empty() || value.starts_with(' '))
    };
    let uncommented: String = EXAMPLE
        .lines()
        .map(|line| match line.split_once("# ") {
            Some((indent, sample)) if is_sample(sample.trim_start()) => format!("{indent}{sample}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(uncommented.contains("\n    start_tls: false\n"), "{uncommented}");
    let file = File::parse("examples/adc.yaml", &uncommented).expect("parses uncommented");
    assert_eq!(file.oddities, []);
}

#[test]
fn the_proxy_of_the_file_counts_before_that_of_the_environment_which_may_leave_hosts_out() {
    let proxy = |server: &str, environment: &[(&str, &str)]| {
        let text = format!("{SERVER}{server}{DIRECTORY}");
        let variables = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let overrides =
            Overrides { server_url: Some("https://cloud.lg.local".to_owned()), ..Overrides::default() };
        let file = File::parse("adc.yaml", &text).expect("parses");
        let config = resolve("adc.yaml", file, &overrides, &variables.collect()).expect("resolves");
        config.server.proxy.map(|proxy| proxy.to_string())
    };
    let environment = ("HTTPS_PROXY", "http://of-environment:3128");
    assert_eq!(proxy("", &[]), None);
    assert_eq!(proxy("", &[environment]).as_deref(), Some("http://of-environment:3128"));
    assert_eq!(proxy("", &[environment, ("NO_PROXY", "lg.local")]), None);
    assert_eq!(
        proxy("  proxy: http://of-file:3128\n", &[environment, ("NO_PROXY", "lg.local")]).as_deref(),
        Some("http://of-file:3128")
    );
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let text = format!("{SERVER}{DIRECTORY}");
    let environment =
        Environment::from([("ADC_SERVER_URL", "https://environment"), ("ADC_SECRET_TOKEN", "other")]);
    let overrides = Overrides { server_url: Some("https://flag".to_owned()), ..Overrides::default() };
    let file = || File::parse("adc.yaml", &text).expect("parses");
    let url = |overrides: &Overrides, environment: &Environment| {
        resolve("adc.yaml", file(), overrides, environment).expect("resolves").server.url.to_string()
    };
    assert_eq!(url(&overrides, &environment), "https://flag");
    assert_eq!(url(&Overrides::default(), &environment), "https://environment");
    assert_eq!(url(&Overrides::default(), &Environment::default()), "https://cloud.example.com");
    let config = resolve("adc.yaml", file(), &overrides, &environment).expect("resolves");
    assert_eq!(config.server.secret_token.expose_secret(), "other");
}

#[test]
fn a_value_that_looks_like_a_number_is_still_text() {
    let text = format!("{SERVER}{DIRECTORY}")
        .replace("bind_password: readonly", "bind_password: 007")
        .replace("app_1", "1e3");
    let config = resolved(&text).expect("resolves");
    assert_eq!(config.directory.bind_password.expose_secret(), "007");
    assert_eq!(config.server.application_id, "1e3");
}

fn shown(text: &str, environment: &Environment) -> Resolution {
    let file = File::parse("adc.yaml", text).expect("parses");
    resolve::resolution("adc.yaml", None, file, &Overrides::default(), environment)
}

#[test]
fn show_names_every_origin_and_no_secret() {
    let text = format!("{SERVER}settings:\n  dry-run: true\n{DIRECTORY}    attributes: [entryUUID, mail]\n");
    let resolution = shown(&text, &Environment::from([("ADC_APPLICATION_ID", "app_2")]));
    let shown = show::text(&resolution, None);
    assert!(!shown.contains("geheim") && !shown.contains(" readonly "), "{shown}");
    assert!(!format!("{resolution:?}").contains("geheim"));
    insta::assert_snapshot!(shown);
    assert_eq!(show::text(&resolution, Some(250)), shown);
    let narrow = show::text(&resolution, Some(80));
    assert!(narrow.lines().all(|line| line.len() <= 80), "the terminal broke the table's lines:\n{narrow}");
    assert!(narrow.contains("settings.dry-run  true  (adc.yaml:"), "{narrow}");
}

#[test]
fn one_missing_key_made_show_hide_all_the_others() {
    let text = format!("{SERVER}settings: {{no-delete: 'true', no-create: }}\n{DIRECTORY}")
        .replace("    base_dn: dc=lg,dc=local\n", "")
        .replace("ldaps://dc1", "ldaps://jane:geheim@dc1");
    let resolution = shown(&text, &Environment::default());
    let table = show::text(&resolution, None);
    let lines: Vec<&str> = table
        .lines()
        .filter(|line| {
            ["url", "secret_token", "addr", "base_dn", "scope"].iter().any(|key| line.contains(key))
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
    let document = show::json(&resolution);
    insta::assert_json_snapshot!(document["problems"]);
    assert!(!table.contains("geheim") && !document.to_string().contains("geheim"), "{table}");
}

#[test]
fn numbers_switches_and_lists_were_told_to_programs_as_text() {
    let text = format!(
        "{SERVER}settings:\n  no-delete: false\n{DIRECTORY}    search_timeout: 7\n    attributes: [mail, cn]\n"
    );
    let document = show::json(&shown(&text, &Environment::default()));
    let value = |key: &str| {
        let mut values = document["values"].as_array().expect("a list").iter();
        values.find(|value| value["key"] == key).expect(key)["value"].clone()
    };
    assert_eq!(value("settings.no-delete"), false);
    assert_eq!(value("settings.dry-run"), serde_json::Value::Null);
    assert_eq!(value("backend.ldap.start_tls"), false);
    assert_eq!(value("backend.ldap.search_timeout"), 7);
    assert_eq!(value("backend.ldap.sync.page_size"), 1000);
    assert_eq!(value("backend.ldap.attributes"), serde_json::json!(["mail", "cn"]));
    assert_eq!(value("backend.ldap.scope"), "sub");
    assert_eq!(value("backend.ldap.bind_password"), show::REDACTED);
}

#[test]
fn a_quoted_switch_alone_makes_a_file_unfit_for_use() {
    let quoted = refusal(&format!("{SERVER}settings: {{dry-run: \"true\"}}\n{DIRECTORY}"));
    insta::assert_snapshot!(quoted, @"adc.yaml:5:21: the value of `dry-run` is in quotes, which makes it text; drop the quotes and write true or false");
}

#[test]
fn credentials_that_a_blank_had_slipped_into_were_sent() {
    let text = format!("{SERVER}{DIRECTORY}");
    let environment = Environment::from([("ADC_APPLICATION_ID", "ap p_1")]);
    let error = resolved_with(&text, &environment).expect_err("must be refused").to_string();
    insta::assert_snapshot!(error, @r#"environment ADC_APPLICATION_ID: server.application_id "ap p_1" holds a blank, at character 3; copy it again as the control plane showed it, in one word"#);
    insta::assert_snapshot!(refusal(&text.replace("app_1", "'app:1'")), @r#"adc.yaml:3:19: server.application_id "app:1" holds a colon, at character 4; copy it again as the control plane showed it, in one word"#);
    insta::assert_snapshot!(refusal(&text.replace("app_1", "''")), @r#"adc.yaml:3:19: server.application_id "" is empty; copy it again as the control plane showed it, in one word"#);
    let secret = refusal(&text.replace("geheim", "geh eim"));
    insta::assert_snapshot!(secret, @"adc.yaml:4:17: server.secret_token holds a blank, at character 4; copy it again as the control plane showed it, in one word");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    insta::assert_snapshot!(refusal(
        "
server:
  url: http://cloud.example.com
  application_id: app_1
backend:
  ldap:
    addr: https://dc1
    bind_dn: cn=readonly,dc=lg,dc=local
    bind_password: ''
    base_dn: lg.local
    scope: subtree
    server_name: ' '
    attributes: [mail, 'given name']
    search_timeout: 0
    sync:
      page_size: 0
      filter: (objectClass=person
    authentication:
      username_filter_template: (mail=$s)
"
    ));
}

#[test]
fn an_empty_file_says_what_is_needed() {
    insta::assert_snapshot!(refusal("# nothing yet\n"));
}

#[test]
fn plain_http_is_for_this_machine_or_for_those_who_insist() {
    let text = |url: &str| format!("{SERVER}{DIRECTORY}").replace("https://cloud.example.com", url);
    assert!(resolved(&text("http://127.0.0.1:8080")).is_ok());
    assert!(resolved(&text("http://10.0.0.1\n  allow_insecure: true")).is_ok());
    let insists = resolved(&text("http://10.0.0.1\n  allow_insecure: true")).expect("resolves");
    insta::assert_snapshot!(insists.warnings.join("\n"), @"server.allow_insecure: http://10.0.0.1 sends the Secret Token and everything read in clear; use https://");
    insta::assert_snapshot!(refusal(&text("http://10.0.0.1")), @"adc.yaml:2:8: server.url: http://10.0.0.1 would send the Secret Token in clear; use https://, or set server.allow_insecure: true if the way there is protected otherwise");
}

#[test]
fn start_tls_needs_a_plain_address() {
    let text = format!("{SERVER}{DIRECTORY}    start_tls: true\n");
    insta::assert_snapshot!(refusal(&text), @"adc.yaml:11:16: backend.ldap.start_tls: StartTLS upgrades a plain ldap:// connection; remove it, or use ldap://");
    let config = resolved(&text.replace("ldaps://", "ldap://")).expect("resolves");
    assert!(config.directory.start_tls && config.warnings.is_empty());
}

#[test]
fn secrets_come_from_files_and_systemd_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("adc-secret-token");
    fs::write(&secret, "from-systemd\n").expect("written");
    fs::write(folder.path().join("adc-bind-password"), "p\u{e4}ss\r\n").expect("written");
    for file in fs::read_dir(folder.path()).expect("listed") {
        fs::set_permissions(file.expect("a file").path(), fs::Permissions::from_mode(0o640)).expect("set");
    }
    let environment = Environment::from([("CREDENTIALS_DIRECTORY", folder.path().to_str().expect("UTF-8"))]);
    let text = format!("{SERVER}{DIRECTORY}")
        .replace("  secret_token: geheim\n", "")
        .replace("    bind_password: readonly\n", "");
    let config = resolved_with(&text, &environment).expect("resolves");
    assert_eq!(config.server.secret_token.expose_secret(), "from-systemd");
    assert_eq!(config.directory.bind_password.expose_secret(), "p\u{e4}ss");
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);

    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).expect("set");
    let text = format!("{SERVER}{DIRECTORY}")
        .replace("secret_token: geheim", &format!("secret_token_file: {}", secret.display()));
    let config = resolved(&text).expect("resolves");
    assert!(config.warnings[0].contains("chmod o-rwx"), "{:?}", config.warnings);

    fs::write(&secret, "\n").expect("written");
    assert!(refusal(&text).contains("is empty"));
    let both = text.replace("secret_token_file", "secret_token: geheim\n  secret_token_file");
    assert!(
        refusal(&both).contains("server.secret_token and server.secret_token_file are both given"),
        "{}",
        refusal(&both)
    );
}

#[test]
fn a_file_with_a_password_that_others_can_read_draws_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("adc.yaml");
    fs::write(&path, format!("{SERVER}{DIRECTORY}")).expect("written");
    let overrides = Overrides { path: Some(path.clone()), ..Overrides::default() };
    let warnings = |mode| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
        load(&overrides, &Environment::default()).expect("loads").warnings.len()
    };
    assert_eq!((warnings(0o600), warnings(0o644)), (0, 1));
}

#[test]
fn what_the_first_connection_would_stumble_over_is_said_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("ca.pem");
    fs::write(&empty, "# soon\n").expect("written");
    let text = format!(
        "{SERVER}  ca_file: {}\n{DIRECTORY}    id_attribute: userPassword\n    attributes: [mail, unicodePwd]\n    sync: {{filter: '(userPassword=a*)'}}\n",
        empty.display()
    )
    .replace("bind_dn: cn=readonly,dc=lg,dc=local", "bind_dn: ''");
    insta::assert_snapshot!(refusal(&text).replace(&empty.display().to_string(), "CA"));
    insta::assert_snapshot!(refusal(&format!("{SERVER}{DIRECTORY}    attributes: []\n")));
}

#[test]
fn a_file_that_is_not_utf_8_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("adc.yaml");
    fs::write(&path, b"server: # f\xfcr alle\n").expect("written");
    let overrides = Overrides { path: Some(path), ..Overrides::default() };
    let error = load(&overrides, &Environment::default()).expect_err("must be refused").to_string();
    assert!(error.contains("adc.yaml: is not UTF-8; save it as UTF-8"), "{error}");
}

#[test]
fn a_missing_file_says_how_to_write_one() {
    let overrides = Overrides { path: Some("/nowhere/adc.yaml".into()), ..Overrides::default() };
    let error = load(&overrides, &Environment::default()).expect_err("must be refused").to_string();
    assert!(error.starts_with("/nowhere/adc.yaml: cannot be read"), "{error}");
}

#[test]
fn a_file_that_was_named_beside_adc_yaml_was_looked_for_where_the_program_was_started() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("adc.yaml");
    fs::write(folder.path().join("token"), "geheim\n").expect("can be written");
    let server = SERVER.replace("secret_token: geheim", "secret_token_file: token");
    fs::write(&path, format!("{server}{DIRECTORY}")).expect("can be written");
    let overrides = Overrides { path: Some(path.clone()), ..Overrides::default() };
    let resolution = inspect(&overrides, &Environment::default());
    let config = resolution.config.expect("resolves");
    assert_eq!(config.server.secret_token.expose_secret(), "geheim");
    let token = folder.path().join("token");
    let shown = resolution.origins.iter().find(|shown| shown.key == "server.secret_token").expect("shown");
    assert!(shown.origin.starts_with(&format!("file {}, named in ", token.display())), "{}", shown.origin);

    let ldap = "    ca_file: ../ca.pem\n    client_cert_file: a.pem\n    client_key_file: a.key\n";
    let files = DIRECTORY.replace("bind_password:", "bind_password_file:");
    fs::write(&path, format!("{server}{files}{ldap}")).expect("can be written");
    let error = inspect(&overrides, &Environment::default()).config.expect_err("no such files").to_string();
    for missing in ["readonly", "../ca.pem", "a.pem"] {
        let tried = format!("{}/{missing} cannot be read", folder.path().display());
        assert!(error.contains(&tried), "{tried}: {error}");
    }
}
