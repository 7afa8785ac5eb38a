//! The `adc` command as scripts and people call it.

mod check;
mod configuration;
mod log;
mod terminal;

use std::process::Output;
use std::time::Duration;

use adc_sandbox::{Sandbox, sample};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

/// Nothing listens on the port of discard, and no test starts anything there.
const NOBODY: &str = "http://127.0.0.1:9";

/// An adc.yaml in a folder of its own.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new(yaml: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("adc.yaml"), yaml).expect("written");
        Self { folder }
    }

    fn of(sandbox: &Sandbox) -> Self {
        Self::with(sandbox, "")
    }

    /// With more lines below `backend.ldap`.
    fn with(sandbox: &Sandbox, more: &str) -> Self {
        Self::new(&format!(
            "server: {{url: '{NOBODY}', application_id: app_1, secret_token: geheim}}\nbackend:\n  ldap:\n    addr: {}\n    bind_dn: {}\n    bind_password: {}\n    base_dn: {}\n{more}",
            sandbox.url(),
            sample::READONLY_DN,
            sample::READONLY_PASSWORD,
            sample::BASE_DN,
        ))
    }

    async fn adc(&self, arguments: &[&str]) -> Output {
        self.run(env!("CARGO_BIN_EXE_adc"), arguments).await
    }

    async fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let run = Command::new(program)
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .kill_on_drop(true)
            .output();
        tokio::time::timeout(Duration::from_mins(1), run).await.expect("ends").expect("starts")
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[tokio::test]
async fn help_and_example_need_no_configuration() {
    let scene = Scene::new("nonsense: [");
    let help = scene.adc(&["--help"]).await;
    assert!(help.status.success() && stdout(&help).contains("  143  asked to terminate"));
    let example = scene.adc(&["config", "example"]).await;
    assert_eq!(stdout(&example), adc::config::EXAMPLE);
    let example = scene.adc(&["config", "example", "--output", "json"]).await;
    let document: Value = serde_json::from_slice(&example.stdout).expect("one JSON document");
    assert_eq!(document["example"], adc::config::EXAMPLE);
}

#[tokio::test]
async fn an_unknown_flag_is_a_usage_error() {
    assert_eq!(Scene::new("").adc(&["imp", "--dry"]).await.status.code(), Some(2));
}

#[tokio::test]
async fn a_wrong_file_ends_every_command_with_2_and_says_where() {
    let scene = Scene::new("backend:\n  ldpa: {}\n");
    for arguments in [&["imp"][..], &["config", "show"]] {
        let output = scene.adc(arguments).await;
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).contains("./adc.yaml:2:3: unknown key `ldpa`; did you mean `ldap`?"),
            "{}",
            stderr(&output)
        );
    }
    let check = scene.adc(&["check", "--output", "json"]).await;
    assert_eq!(check.status.code(), Some(2));
    assert_eq!(check::states(&check), ["file failed"]);
    let imp = scene.adc(&["imp", "--output", "json"]).await;
    let document: Value = serde_json::from_slice(&imp.stdout).expect("one JSON document");
    assert_eq!(
        (&document["state"], &document["error"]["code"]),
        (&Value::from("failed"), &Value::from("configuration"))
    );
    assert_eq!(document["run_id"], Value::Null, "nobody knows of this run");
}

#[tokio::test]
async fn show_prints_one_document_without_secrets() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let scene = Scene::of(&sandbox);
    let output = scene.adc(&["config", "show", "--output", "json"]).await;
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert!(document["values"].as_array().is_some_and(|values| values.len() > 25));
    assert!(!stdout(&output).contains("geheim") && !stderr(&output).contains("geheim"));
}

#[tokio::test]
async fn an_import_without_a_control_plane_ends_with_4_and_one_document() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let output = Scene::of(&sandbox).adc(&["-v", "imp", "--output", "json"]).await;
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("; trying again for up to 10 s"), "{}", stderr(&output));
    assert_eq!(stderr(&output).matches("; trying again").count(), 1, "{}", stderr(&output));
    let last = stderr(&output).lines().last().map(str::to_owned).unwrap_or_default();
    assert!(
        last.contains("ERROR") && last.contains("check that the control plane runs, server.url"),
        "{last}"
    );
    assert!(stderr(&output).contains("asked the control plane"), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(document["error"]["code"], "control-plane-unreachable");
    let keys: Vec<&String> = document.as_object().expect("an object").keys().collect();
    insta::assert_snapshot!(format!("{keys:?}"), @r#"["counts", "dry_run", "duration_ms", "error", "full_because", "held_because", "mode", "read", "report_url", "run_id", "sent", "settings", "state"]"#);
}

#[tokio::test]
async fn an_import_without_a_directory_ends_with_3() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let scene = Scene::of(&sandbox);
    sandbox.stop().await;
    let output = scene.adc(&["imp"]).await;
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("nobody listens on"), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
}

#[tokio::test]
async fn packagers_get_completions_for_every_shell_and_a_manual_page() {
    let scene = Scene::new("");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = scene.adc(&["completions", shell]).await;
        assert!(output.status.success() && stdout(&output).contains("dry-run"), "{shell}");
    }
    let page = stdout(&scene.adc(&["man"]).await);
    assert!(page.contains(".TH adc 1") && page.contains(".SH \"EXIT STATUS\""), "{page}");
}
