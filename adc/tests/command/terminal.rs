//! What a run looks like on a terminal.

use adc_sandbox::{Fault, Sandbox};

use crate::{Scene, stdout};

/// What the cursor is sent to the beginning of a line with, to draw it again.
const REDRAWN: &str = "\x1b[2K";

/// What appears on a terminal of this width while the directory does not let the agent in.
async fn seen_on(columns: u16) -> String {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    sandbox.faults().inject(Fault::stall_bind());
    let scene = Scene::with(&sandbox, "    connect_timeout: 1\n");
    let adc = env!("CARGO_BIN_EXE_adc");
    let typed = format!("stty cols {columns} rows 24; TERM=xterm exec {adc} imp");
    stdout(&scene.run("script", &["-qec", &typed, "/dev/null"]).await)
}

#[tokio::test]
async fn a_wide_terminal_shows_a_line_that_changes_below_the_log() {
    let seen = seen_on(80).await;
    assert!(seen.contains(REDRAWN) && seen.contains("connecting"), "{seen:?}");
    assert!(!seen.contains("INFO"), "{seen:?}");
    let error = seen.split(REDRAWN).find(|drawn| drawn.contains("ERROR")).expect("an error");
    assert!(!error.contains("connecting"), "the log has a line of its own: {error:?}");
}

#[tokio::test]
async fn a_line_that_changes_garbled_narrow_terminals() {
    for columns in [30, 0] {
        let seen = seen_on(columns).await;
        assert!(!seen.contains(REDRAWN), "{columns}: {seen:?}");
        assert!(seen.lines().any(|line| line.contains("INFO") && line.contains("connecting")), "{seen:?}");
    }
}
