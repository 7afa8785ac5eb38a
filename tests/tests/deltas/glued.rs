//! Directories of several databases that slapd shows as one tree: who watches the changes of which.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use adc_tests::{Company, Entry, Scene, Slapd};
use serde_json::json;

use super::{checked_feed, company, delta, full, is_up_to_date};

const BRANCH: &str = "ou=branch,dc=lg,dc=local";

/// Adds the root of the subordinate database, and somebody there.
fn open_branch(scene: &Scene) {
    let slapd = &scene.directory;
    slapd.add(&Entry::new(BRANCH).with("objectClass", "organizationalUnit").with("ou", "branch"));
    slapd.add(&Company::new("dc=lg,dc=local").ou("branch").entry_of("bea"));
}

#[test]
fn a_directory_with_a_subordinate_database_could_not_be_read_at_all() {
    let slapd = Slapd::builder(&company()).syncprov(Some(1_000)).subordinate(BRANCH).start();
    let scene = Scene::between(company(), slapd);
    scene.imp();
    delta(&scene);
    // The overlay does not see what lies there: from now on times are compared.
    open_branch(&scene);
    full(&scene, "no-checkpoint");
    assert_eq!(scene.user("bea@lg.local")["status"], "active");
    let (state, message) = checked_feed(&scene);
    assert!(
        state == "ok" && message.starts_with("timestamps: ") && message.contains("after `overlay glue`"),
        "{state} {message}"
    );
    scene.directory.set(&format!("uid=bea,{BRANCH}"), "title", ["Lead"]);
    delta(&scene);
    scene.directory.delete(&format!("uid=bea,{BRANCH}"));
    scene.leave("max");
    assert_eq!(delta(&scene)["counts"]["delete"], 2);
    is_up_to_date(&scene);
}

#[test]
fn where_glue_comes_first_the_feed_covers_all_databases() {
    let slapd = Slapd::builder(&company()).glue().syncprov(Some(1_000)).subordinate(BRANCH).start();
    let scene = Scene::between(company(), slapd);
    open_branch(&scene);
    scene.imp();
    let (state, message) = checked_feed(&scene);
    assert!(state == "ok" && message.starts_with("syncrepl: "), "{state} {message}");
    scene.directory.delete(&format!("uid=bea,{BRANCH}"));
    assert_eq!(delta(&scene)["counts"]["delete"], 1);
    is_up_to_date(&scene);
}

/// slapd went on in the next search where it thought that the last one stood.
#[test]
fn nobody_was_read_after_a_page_that_was_exactly_full() {
    for builder in [Slapd::builder(&company()), Slapd::builder(&company()).glue()] {
        let scene = Scene::between(company(), builder.syncprov(Some(1_000)).subordinate(BRANCH).start());
        open_branch(&scene);
        let mut scene = scene.agent(|agent| agent.sync_yaml("page_size", "23"));
        let read = &scene.imp()["read"];
        assert_eq!((&read["users"], &read["groups"]), (&json!(23), &json!(2)));
        assert_eq!(scene.members("sales"), ["jane@lg.local", "max@lg.local"]);
        for size in ["1", "2", "5", "6", "22"] {
            scene = scene.agent(|agent| agent.sync_yaml("page_size", size));
            assert_eq!(&scene.imp_with(&["--full", "--dry-run"], 0)["read"], read, "in pages of {size}");
            is_up_to_date(&scene);
        }
    }
}

#[test]
fn no_delta_of_a_base_beside_a_subordinate_database_was_read() {
    let slapd = Slapd::builder(&company()).syncprov(Some(1_000)).subordinate(BRANCH).start();
    let scene = Scene::between(company(), slapd)
        .agent(|agent| agent.ldap("base_dn", "ou=sales,ou=people,dc=lg,dc=local"));
    open_branch(&scene);
    scene.imp();
    scene.directory.set(&scene.dn("jane"), "title", ["Head of sales"]);
    assert_eq!(delta(&scene)["counts"]["update"], 1);
    scene.leave("max");
    assert_eq!(delta(&scene)["counts"]["delete"], 1);
    is_up_to_date(&scene);
}

/// Leads every other connection to the other one, as a load balancer does.
fn by_turns(servers: [&Slapd; 2]) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    let url = format!("ldap://{}", listener.local_addr().expect("it is bound"));
    let ports = servers.map(Slapd::port);
    thread::spawn(move || {
        for (client, port) in listener.incoming().flatten().zip(ports.into_iter().cycle()) {
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { break };
            let clone = |stream: &TcpStream| stream.try_clone().expect("there are descriptors left");
            for (mut from, mut to) in [(clone(&client), clone(&server)), (server, client)] {
                thread::spawn(move || io::copy(&mut from, &mut to));
            }
        }
    });
    url
}

#[test]
fn half_of_a_read_came_from_another_server() {
    let [first, mut second] = [Slapd::serving(&company()), Slapd::serving(&company())];
    // They tell their ages in seconds.
    second.crash();
    let url = by_turns([&first, &second]);
    let extra = Entry::new("cn=extra,ou=groups,dc=lg,dc=local").with("objectClass", "groupOfNames");
    first.add(&extra.with("cn", "extra").with("member", BRANCH));
    let scene =
        Scene::between(company(), first).agent(|agent| agent.ldap("addr", &url).sync_yaml("page_size", "22"));
    let read = &scene.imp()["read"];
    assert_eq!((&read["users"], &read["groups"]), (&json!(22), &json!(3)), "all of it from the first");
}
