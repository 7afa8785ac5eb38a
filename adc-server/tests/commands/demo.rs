//! `adc-server demo --once`: the tour that newcomers get.

use crate::program::Place;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

#[test]
fn it_previews_imports_and_finds_exactly_the_three_people_that_changed() {
    let place = Place::new();
    let facts = place.json(&["demo", "--once"]);
    let runs = facts["runs"].as_array().expect("reports its runs");
    let of = |run: &Value, key: &str| run["counts"][key].as_u64().expect("is a number");
    let states: Vec<_> = runs.iter().map(|run| run["state"].clone()).collect();
    assert_eq!(states, ["previewed", "applied", "applied"]);
    assert_eq!(runs[0]["counts"], runs[1]["counts"], "the import does what the preview said");
    assert!(of(&runs[1], "create") > 300 && of(&runs[1], "conflict") == 2, "{}", runs[1]["counts"]);
    let last = &runs[2];
    assert_eq!((of(last, "create"), of(last, "update"), of(last, "delete")), (0, 2, 1), "{}", last["counts"]);
    assert_eq!(last["sent"]["records"], json!(2), "only what changed is sent");
    assert_eq!(
        last["read"]["users"],
        json!(2),
        "a person who moved was taken for a container, and everything was read"
    );
}

#[test]
fn its_agents_run_on_command_follow_a_change_check_a_password_and_take_over() {
    let place = Place::new();
    let live = &place.json(&["demo", "--once"])["live"];
    assert_eq!((&live["run"]["state"], &live["run"]["trigger"]), (&json!("applied"), &json!("manual")));
    assert_eq!((&live["followed"], &live["login"]), (&json!("Chief Engineer"), &json!([200, 401])));
    let after = &live["after_fail_over"];
    assert_eq!(after["state"], "applied");
    assert_ne!(after["agent"]["instance"], Value::Null);
}

#[test]
fn it_tells_what_it_does_and_leaves_nothing_behind() {
    let place = Place::new();
    let folder = place.path().join("tmp");
    std::fs::create_dir(&folder).expect("makes a folder");
    let output = place.command(&["demo", "--once"]).env("TMPDIR", &folder).output().expect("runs");
    let text = String::from_utf8(output.stdout).expect("is UTF-8");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for told in ["Preview: nothing was changed.", "title: Software Engineer → Principal Engineer"] {
        assert!(text.contains(told), "{told} is missing:\n{text}");
    }
    for step in ["Now you", "adc check -c", "curl -H"] {
        assert!(!text.contains(step), "{step} is for a server that stays up:\n{text}");
    }
    let after_the_change = text.split("3. In the directory").nth(1).expect("tells of the change");
    let changed = after_the_change.lines().filter(|line| line.contains("@example.com")).count();
    assert_eq!(changed, 3, "shows only those three:\n{after_the_change}");
    assert_eq!(std::fs::read_dir(&folder).expect("is there").count(), 0, "the demo's folder is left behind");
}

#[test]
fn it_stays_up_and_says_what_to_try_next() {
    let place = Place::new();
    let mut command = place.command(&["demo"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    let lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
    let mut told = Vec::new();
    for line in lines.map(|line| line.expect("is UTF-8")) {
        told.push(line);
        if told.last().is_some_and(|line| line.contains("It stays up")) {
            break;
        }
    }
    let told = told.join("\n");
    for step in ["Now you", "adc check -c", "curl -H", "It stays up"] {
        assert!(told.contains(step), "{step} is missing:\n{told}");
    }
    assert!(child.try_wait().expect("can be asked").is_none(), "it ended");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
    assert!(child.wait().expect("ends").success());
}

#[test]
fn the_environments_database_is_not_for_playing() {
    let place = Place::new();
    let mut command = place.command(&["demo", "--once"]);
    assert!(command.env("ADC_DATABASE", "sqlite:real.db").output().expect("runs").status.success());
    assert_eq!(
        std::fs::read_dir(place.path()).expect("is there").count(),
        0,
        "the demo used a real database"
    );
}

#[test]
fn it_goes_on_with_a_database_that_it_knows() {
    let place = Place::new();
    let first = place.json(&["demo", "--once", "--database", "sqlite:adc.db"]);
    let again = place.json(&["demo", "--once", "--database", "sqlite:adc.db"]);
    assert_eq!(first["synchronization_id"], again["synchronization_id"]);
    // The sample directory is as it was at the start, so the preview takes the three changes back.
    let counts = &again["runs"][0]["counts"];
    assert_eq!((&counts["restore"], &counts["update"], &counts["create"]), (&json!(1), &json!(2), &json!(0)));
    let (code, message) = place.refused(&["demo", "--listen", "0.0.0.0:0"]);
    assert!(code == 2 && message.contains("for this machine only"), "{message}");
}
