//! What Prometheus is told on both sides, and the alerts that are shipped.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use adc_tests::{Daemon, free_port, repository};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::hosted::until;
use super::{Connected, plain, run_of, scene, start_run};

fn rules() -> PathBuf {
    repository().join("packaging/prometheus/adc.rules.yaml")
}

/// What is served under /metrics there.
#[track_caller]
pub(crate) fn scrape(url: &str) -> String {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("metrics are served");
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        .expect("it is open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("metrics are text");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

/// The value of the first sample that begins so.
fn sample(scraped: &str, name: &str) -> Option<f64> {
    let line = scraped.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("adc_") || word.starts_with("process_")).collect()
}

#[test]
fn every_metric_that_an_alert_rests_on_is_exported() {
    let scene = scene();
    let schedule =
        json!({ "repeat": { "kind": "daily" }, "start": "2090-01-01", "at": "02:30", "time_zone": "UTC" });
    scene.patch(&json!({ "schedule": schedule }));
    let metrics = format!("127.0.0.1:{}", free_port());
    let mut agent = Connected(scene.agent.start(&["run", "--metrics", &metrics]));
    agent.wait_for(super::CONNECTED);
    let id = start_run(&scene, &plain());
    agent.wait_for_end(&id);

    let of_agent = scrape(&metrics);
    let of_server = scrape(scene.control_plane.url());
    let exported = [&*of_agent, &*of_server].concat();
    let samples: Vec<&str> = exported.lines().filter(|line| !line.starts_with('#')).collect();
    let families = exported.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    for family in families {
        assert!(exported.contains(&format!("# HELP {family} ")), "nothing says what {family} is");
    }
    let text = fs::read_to_string(rules()).expect("the rules are shipped");
    let mut checked = 0;
    for line in text.lines().filter_map(|line| line.trim().strip_prefix("expr: ")) {
        for name in named(line) {
            let is_there = samples.iter().any(|sample| sample.split(['{', ' ']).next() == Some(name));
            // There while something waits only.
            let comes_and_goes =
                ["adc_held_plan_age_seconds", "adc_queued_run_age_seconds", "adc_agents_in_trouble"]
                    .contains(&name);
            assert!(
                is_there || comes_and_goes && exported.contains(name),
                "{name} is not exported:\n{exported}"
            );
            checked += 1;
        }
        for (at, _) in line.match_indices("outcome=\"") {
            let outcome = line[at..].split('"').take(2).collect::<Vec<_>>().join("\"");
            assert!(samples.iter().any(|sample| sample.contains(&outcome)), "{outcome} never comes");
        }
    }
    assert!(checked > 15, "only {checked} metrics are named; are the expressions read at all?");
    agent.stop();
}

/// A series whose increase an alert rests on: its name, and what its labels are.
fn increases(rules: &str) -> Vec<(String, Vec<String>)> {
    let exprs = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let selectors = exprs.flat_map(|expr| expr.split("increase(").skip(1));
    let series = selectors.map(|rest| {
        let selector = rest.split('[').next().expect("an increase is over some time");
        let (name, labels) = selector.trim_end_matches('}').split_once('{').unwrap_or((selector, ""));
        (name.to_owned(), labels.split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect())
    });
    series.collect()
}

/// Prometheus sees no increase from nothing to one. (What takes dozens of events within minutes loses nothing by the first: `rate`.)
#[test]
fn what_happened_for_the_first_time_raised_no_alert() {
    let scene = scene();
    let metrics = format!("127.0.0.1:{}", free_port());
    let mut agent = Connected(scene.agent.start(&["run", "--metrics", &metrics]));
    agent.wait_for(super::CONNECTED);
    let exported = [scrape(&metrics), scrape(scene.control_plane.url())].concat();
    let series = increases(&fs::read_to_string(rules()).expect("the rules are shipped"));
    assert!(series.len() >= 8, "are the expressions read at all? {series:?}");
    for (name, labels) in series {
        let of_name =
            |line: &&str| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} "));
        let is_there =
            exported.lines().filter(of_name).any(|line| labels.iter().all(|label| line.contains(label)));
        assert!(is_there, "{name} {labels:?} is there only once it happened:\n{exported}");
    }
    // An alert for any label is one for each.
    let documented = fs::read_to_string(repository().join("docs/link.md")).expect("it is there");
    let (_, table) = documented.split_once("`adc_links_refused_total` counts them").expect("it says so");
    let (table, _) = table.trim_start().split_once("\n\nAn agent").expect("the table ends");
    let reasons: Vec<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(reasons.len(), 6, "{reasons:?}");
    for reason in reasons {
        let refused = format!("adc_links_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(sample(&exported, &refused), Some(0.0), "{refused}");
    }
    for trigger in ["agent", "manual", "schedule", "change"] {
        let failed = format!("adc_run_seconds_count{{trigger=\"{trigger}\",state=\"failed\"}}");
        assert_eq!(sample(&exported, &failed), Some(0.0), "{failed}");
    }
    agent.stop();
}

#[test]
fn an_agent_whose_secret_was_replaced_was_not_counted() {
    let scene = scene();
    let agent = Connected::start(&scene.agent);
    let url = scene.control_plane.url();
    let revoked = r#"adc_links_refused_total{reason="revoked"}"#;
    let refused = r#"adc_http_requests_total{method="GET",route="/api/v1/agent/link",status="401"}"#;
    let counted = || [revoked, refused].map(|series| sample(&scrape(url), series));
    assert_eq!(counted(), [Some(0.0), Some(0.0)]);
    let path = format!("/synchronizations/{}/rotate-secret", scene.synchronization.id);
    scene.api.post(&path, &plain()).ok();
    assert_eq!(agent.finish().0, 4);
    assert_eq!(counted(), [Some(1.0), Some(0.0)]);
    scene.agent.run(&["run"]).expect_code(4);
    assert_eq!(counted(), [Some(1.0), Some(1.0)]);
}

#[test]
fn every_alert_says_what_it_is_and_what_to_do() {
    let text = fs::read_to_string(rules()).expect("the rules are shipped");
    let alerts: Vec<&str> = text.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 10);
    for alert in alerts {
        for key in ["expr: ", "severity: ", "summary: ", "description: >-"] {
            assert!(alert.contains(key), "{key} is missing of {alert}");
        }
    }
}

#[test]
fn prometheus_takes_the_rules() {
    let Ok(output) = Command::new("promtool").args(["check", "rules"]).arg(rules()).output() else {
        eprintln!("skipped: there is no promtool here; on Debian it comes with the package prometheus");
        return;
    };
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn the_agent_counts_its_runs_its_link_and_its_reloads() {
    let scene = scene();
    let metrics = format!("127.0.0.1:{}", free_port());
    let mut agent = Connected(scene.agent.start(&["run", "--metrics", &metrics]));
    agent.wait_for(super::CONNECTED);
    let before = wait_for_sample(agent.0.daemon(), &metrics, "adc_agent_link_up ");
    assert_eq!(sample(&before, "adc_agent_links_made_total "), Some(1.0));
    assert_eq!(sample(&before, "adc_agent_runs_waiting "), Some(0.0));
    assert_eq!(sample(&before, "adc_agent_run_seconds_count"), None);
    assert_eq!(sample(&before, "adc_agent_directory_errors_total{class=\"bind-refused\"}"), Some(0.0));

    let id = start_run(&scene, &plain());
    agent.wait_for_end(&id);
    fs::write(scene.agent.folder().join("adc.yaml"), "nonsense: true\n").expect("the folder can be written");
    agent.0.daemon().signal(Signal::HUP);
    agent.wait_for("stays in use");
    let applied = r#"adc_agent_run_seconds_count{trigger="manual",result="applied"}"#;
    let after = wait_for_sample(agent.0.daemon(), &metrics, r#"adc_agent_reloads_total{result="refused"}"#);
    assert_eq!(sample(&after, applied), Some(1.0), "{after}");
    assert_eq!(sample(&after, "adc_agent_configuration_refused "), Some(1.0));
    assert_eq!(sample(&after, r#"adc_agent_reloads_total{result="taken"}"#), Some(0.0));
    assert!(sample(&after, "adc_agent_last_applied_run_timestamp_seconds ").is_some_and(|at| at > 1.7e9));
    assert!(sample(&after, "process_resident_memory_bytes ").is_some_and(|bytes| bytes > 1e6));

    let of_server = scrape(scene.control_plane.url());
    let connected = format!("adc_agents_connected{{synchronization=\"{}\"}}", scene.synchronization.id);
    assert_eq!(sample(&of_server, &connected), Some(1.0), "{of_server}");
    assert_eq!(sample(&of_server, r#"adc_run_seconds_count{trigger="manual",state="applied"}"#), Some(1.0));
    agent.stop();
    // An alert must see who is gone.
    until(|| sample(&scrape(scene.control_plane.url()), &connected) == Some(0.0));
}

/// Scrapes until this is more than nothing.
fn wait_for_sample(daemon: &mut Daemon, metrics: &str, name: &str) -> String {
    loop {
        let scraped = scrape(metrics);
        if sample(&scraped, name).is_some_and(|value| value > 0.0) {
            return scraped;
        }
        assert_eq!(daemon.ended(), None, "it ended meanwhile");
    }
}

#[test]
fn an_address_that_is_none_or_taken_is_said_at_once() {
    let scene = scene();
    let ended = scene.agent.run(&["run", "--metrics", "nowhere"]).expect_code(2);
    assert!(
        ended.stderr.contains("--metrics: \"nowhere\" is no address to serve metrics at"),
        "{}",
        ended.stderr
    );
    let holder = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = holder.local_addr().expect("it is bound").to_string();
    let ended = scene.agent.run(&["run", "--metrics", &address]).expect_code(2);
    assert!(ended.stderr.contains("cannot be served at"), "{}", ended.stderr);
}

#[test]
fn records_of_a_run_name_it() {
    let scene = scene();
    scene.imp();
    // No run but the one that is asked for.
    scene.patch(&json!({ "policy": { "follow_changes": false } }));
    let mut agent = Connected(scene.agent.start(&["run", "--log-format", "json", "-v"]));
    agent.wait_for(super::CONNECTED);
    scene.directory.set(&scene.dn("jane"), "title", ["Boss"]);
    let id = start_run(&scene, &plain());
    agent.wait_for_end(&id);
    assert_eq!(run_of(&scene, &id)["state"], "applied");
    let (_, log) = agent.stop();
    assert!(log.contains("run ended"), "{log}");
    let records: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("a record a line")).collect();
    let within = |record: &&Value| record["span"]["run.id"] == *id;
    let of_run: Vec<&Value> = records.iter().filter(within).collect();
    let says = |words: &str| {
        of_run.iter().any(|record| record["message"].as_str().is_some_and(|said| said.contains(words)))
    };
    assert!(says("asked the control plane") && says("run ended"), "{log}");
    for record in &of_run {
        assert_eq!(record["span"]["synchronization.application_id"], *scene.synchronization.application_id);
    }
}
