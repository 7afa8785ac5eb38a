//! Directories that fail: nothing is concluded from a part, the message says what happened, and the next run heals it.

use adc_sandbox::{Fault, ResultCode, sample};
use adc_tests::{Agent, Company, InMemory, Person, Scene, Slapd, free_port};
use serde_json::Value;

/// What the agent reads people by; groups and org units are not struck by faults that mention it.
const PEOPLE: &str = "inetOrgPerson";

/// Fails an import of what was imported before in this way, and checks that nothing is lost and the next run heals it.
fn fails(fault: Fault, code: &str, says: &[&str]) {
    fails_at(InMemory::sample(), fault, code, says);
}

/// The same with a directory of another kind.
fn fails_at(directory: InMemory, fault: Fault, code: &str, says: &[&str]) {
    let scene = Scene::in_memory(directory).agent(|agent| agent.sync_yaml("page_size", "20"));
    scene.imp();
    let before = scene.state();
    // Whatever is wrong with the read, a leaver in it would be lost first.
    scene.directory.directory().delete(sample::LUKASZ).expect("the sample has this person");

    scene.directory.faults().inject(fault);
    let outcome = scene.agent.imp_with(&["--full"]).expect_code(3);
    assert_eq!(outcome.json()["error"]["code"], code, "{}\n{}", outcome.stderr, outcome.stdout);
    assert_eq!(scene.directory.faults().pending(), 0, "the fault did not strike");
    for words in says {
        assert!(outcome.stderr.contains(words), "it does not say {words}: {}", outcome.stderr);
    }
    assert_eq!(scene.state(), before);

    let healed = scene.imp();
    assert_eq!((&healed["counts"]["delete"], &healed["state"]), (&Value::from(1), &Value::from("applied")));
}

#[test]
fn a_connection_lost_in_the_middle_of_a_page() {
    fails(
        Fault::drop_after(7).mentioning(PEOPLE).on_page(1),
        "directory-connection-lost",
        &["7 entries", "page 1"],
    );
}

#[test]
fn a_connection_lost_inside_page_three_is_not_the_end_of_the_directory() {
    // ldap3 reports the result of page two, success, when page three never ends.
    fails(
        Fault::drop_after(7).mentioning(PEOPLE).on_page(3),
        "directory-connection-lost",
        &["47 entries", "page 3"],
    );
}

#[test]
fn a_connection_lost_before_the_first_entry_of_a_page() {
    fails(
        Fault::drop_after(0).mentioning(PEOPLE).on_page(2),
        "directory-connection-lost",
        &["20 entries", "page 2"],
    );
}

#[test]
fn a_size_limit_after_entries() {
    let fault = Fault::answer_after(5, ResultCode::SizeLimitExceeded, "").mentioning(PEOPLE).on_page(3);
    fails(fault, "size-limit-exceeded", &["45 entries", "size limit"]);
}

#[test]
fn a_time_limit_after_entries() {
    let fault = Fault::answer_after(5, ResultCode::TimeLimitExceeded, "").mentioning(PEOPLE).on_page(3);
    fails(fault, "time-limit-exceeded", &["time limit"]);
}

#[test]
fn an_administrative_limit_after_entries() {
    let fault = Fault::answer_after(5, ResultCode::AdminLimitExceeded, "").mentioning(PEOPLE).on_page(3);
    fails(fault, "admin-limit-exceeded", &["limit of its administrator"]);
}

#[test]
fn a_busy_directory_after_entries() {
    let fault = Fault::answer_after(5, ResultCode::Busy, "later").mentioning(PEOPLE).on_page(3);
    fails(fault, "directory-busy", &["try again later"]);
}

#[test]
fn an_unwilling_directory_after_entries() {
    let fault = Fault::answer_after(5, ResultCode::UnwillingToPerform, "no").mentioning(PEOPLE).on_page(3);
    fails(fault, "unwilling-to-perform", &["unwilling"]);
}

#[test]
fn a_limit_on_a_page_that_claims_to_be_full() {
    let fault = Fault::answer_after(20, ResultCode::SizeLimitExceeded, "").mentioning(PEOPLE).on_page(2);
    fails(fault, "size-limit-exceeded", &["40 entries"]);
}

#[test]
fn a_referral_among_the_entries() {
    let fault = Fault::refer_after(5, "ldap://elsewhere.example/ou=far,dc=example,dc=com")
        .mentioning(PEOPLE)
        .on_page(2);
    fails(fault, "referral", &["ldap://elsewhere.example/"]);
}

#[test]
fn a_failure_while_groups_are_read() {
    fails(Fault::drop_after(3).mentioning("groupOfNames"), "directory-connection-lost", &["groups"]);
}

#[test]
fn a_failure_while_org_units_are_read() {
    fails(Fault::drop_after(3).mentioning("organizationalUnit"), "directory-connection-lost", &["org units"]);
}

#[test]
fn a_directory_that_refuses_the_bind() {
    fails(Fault::refuse_bind(ResultCode::InvalidCredentials, ""), "bind-refused", &[sample::READONLY_DN]);
}

#[test]
fn a_directory_that_falls_silent() {
    let scene = Scene::in_memory(InMemory::sample()).agent(|agent| agent.ldap_yaml("search_timeout", "1"));
    scene.imp();
    let before = scene.state();
    scene.directory.faults().inject(Fault::stall_after(5).mentioning(PEOPLE));
    let outcome = scene.imp_fails(3, "directory-silent");
    assert!(outcome.stderr.contains("search_timeout"), "{}", outcome.stderr);
    assert_eq!(scene.state(), before);
    scene.imp();
}

#[test]
fn an_entry_that_cannot_be_decoded() {
    // A length inside the entry runs past its end: whoever trusts it waits for bytes that never come.
    fails(Fault::garble_entry(3).mentioning(PEOPLE).on_page(2), "directory-unreadable", &["cannot be read"]);
}

#[test]
fn a_dn_that_is_not_utf8() {
    let scene = Scene::in_memory(InMemory::sample());
    scene.imp();
    let before = scene.state();
    scene.directory.faults().inject(Fault::dn_not_utf8(3).mentioning(PEOPLE));
    let outcome = scene.agent.imp_with(&["--full"]);
    assert!([3, 6].contains(&outcome.code), "{}\n{}", outcome.stdout, outcome.stderr);
    assert_eq!(scene.state()["users"], before["users"]);
}

#[test]
fn a_value_that_is_not_utf8_is_one_conflict_and_the_rest_proceeds() {
    let scene = Scene::in_memory(InMemory::sample());
    scene.directory.faults().inject(Fault::value_not_utf8(3, "sn").mentioning(PEOPLE));
    let summary = scene.imp_with(&[], 6);
    assert_eq!(summary["counts"]["conflict"], 1, "{summary}");
    let conflicts: Vec<Value> =
        scene.changes(&summary).into_iter().filter(|change| change["action"] == "conflict").collect();
    assert_eq!(conflicts[0]["reason"], "not-utf8");
    assert_eq!(scene.users().len(), sample::PEOPLE - 1);
}

#[test]
fn a_first_page_without_a_word_about_a_second_counted_as_everybody() {
    let fault = Fault::answer_after(20, ResultCode::Success, "").on_page(1).mentioning(PEOPLE);
    fails(fault, "directory-protocol", &["after 20 entries", "backend.ldap.sync.page_size"]);
}

#[test]
fn an_answer_without_pages_that_was_cut_counted_as_everybody() {
    let fault = Fault::answer_after(20, ResultCode::Success, "").mentioning(PEOPLE);
    fails_at(InMemory::without_pages(), fault, "receipt-incomplete", &["was not complete"]);
}

#[test]
fn a_directory_without_paged_results_is_read_all_the_same() {
    let scene = Scene::in_memory(InMemory::without_pages());
    scene.imp();
    assert_eq!(scene.users().len(), sample::PEOPLE);
}

#[test]
fn a_directory_that_takes_no_notice_of_pages_is_read_all_the_same() {
    let scene = Scene::in_memory(InMemory::sample()).agent(|agent| agent.sync_yaml("page_size", "20"));
    scene.directory.faults().inject(Fault::ignore_paging().always());
    scene.imp();
    assert_eq!(scene.users().len(), sample::PEOPLE);
}

#[test]
fn a_person_hidden_from_the_search_but_still_there_is_not_removed() {
    let scene = Scene::in_memory(InMemory::sample());
    scene.imp();
    // The search misses her once; the look-up by id finds her.
    scene.directory.faults().inject(Fault::hide(sample::ZOE).mentioning(PEOPLE));
    let summary = scene.imp();
    assert_eq!(scene.directory.faults().pending(), 0, "the fault did not strike");
    assert_eq!(summary["counts"]["delete"], 0, "{summary}");
    assert!(scene.users().contains_key("zoe.mueller@example.com"));
}

fn company() -> Company {
    Company::new("dc=lg,dc=local").ou("people").crowd(30)
}

/// An import that was applied fails after this change of the agent, and nothing is lost.
fn misconfigured(change: impl FnOnce(Agent) -> Agent, exit_code: i32, code: &str, says: &[&str]) {
    let scene = Scene::of(company());
    scene.imp();
    let before = scene.state();
    let scene = scene.agent(change);
    let outcome = scene.agent.imp().expect_code(exit_code);
    if exit_code != 2 {
        assert_eq!(outcome.json()["error"]["code"], code, "{}", outcome.stdout);
    }
    for words in says {
        assert!(outcome.stderr.contains(words), "it does not say {words}: {}", outcome.stderr);
    }
    assert_eq!(scene.state(), before);
}

#[test]
fn a_base_dn_that_does_not_exist() {
    let change = |agent: Agent| agent.ldap("base_dn", "ou=nowhere,dc=lg,dc=local");
    misconfigured(change, 3, "base-not-found", &["ou=nowhere,dc=lg,dc=local", "backend.ldap.base_dn"]);
}

#[test]
fn a_filter_that_matches_nobody() {
    let change = |agent: Agent| agent.sync_yaml("filter", "(uid=nobody)");
    misconfigured(change, 3, "empty-read", &["30"]);
}

#[test]
fn a_wrong_password() {
    let change = |agent: Agent| agent.ldap("bind_password", "wrong");
    misconfigured(change, 3, "bind-refused", &["cn=readonly,dc=lg,dc=local", "backend.ldap.bind_dn"]);
}

#[test]
fn an_empty_password_is_refused_before_anything_is_sent() {
    let scene = Scene::of(company()).agent(|agent| agent.ldap("bind_password", ""));
    let binds = |scene: &Scene| scene.directory.log().matches(" BIND ").count();
    let before = binds(&scene);
    let outcome = scene.agent.imp().expect_code(2);
    assert!(outcome.stderr.contains("bind_password"), "{}", outcome.stderr);
    assert_eq!(binds(&scene), before, "LDAP answers success to an anonymous bind: it must never be sent");
}

#[test]
fn a_port_where_nobody_listens() {
    let change = |agent: Agent| agent.ldap("addr", &format!("ldap://127.0.0.1:{}", free_port()));
    misconfigured(change, 3, "directory-unreachable", &["nobody listens"]);
}

#[test]
fn a_limit_of_a_real_directory_that_cuts_pages() {
    let company = company();
    let builder = Slapd::builder(&company);
    let slapd =
        builder.limit("cn=readonly,dc=lg,dc=local", "size.soft=10 size.hard=10 size.prtotal=10").start();
    let scene = Scene::between(company, slapd).agent(|agent| agent.sync_yaml("page_size", "5"));
    let outcome = scene.imp_fails(3, "size-limit-exceeded");
    assert!(outcome.stderr.contains("size.prtotal"), "{}", outcome.stderr);
    assert!(scene.users().is_empty());
}

#[test]
fn pages_that_a_real_directory_refused_were_blamed_on_its_indexes() {
    let company = company();
    for limit in ["size.pr=3", "size.prtotal=disabled"] {
        let slapd = Slapd::builder(&company).limit("cn=readonly,dc=lg,dc=local", limit).start();
        let scene = Scene::between(company.clone(), slapd);
        let outcome = scene.agent.run(&["imp"]).expect_code(3);
        for wanted in ["pagedResults", "backend.ldap.sync.page_size", "size.prtotal=unlimited"] {
            assert!(outcome.stderr.contains(wanted), "{limit}: {}", outcome.stderr);
        }
        assert!(!outcome.stderr.contains("index what"), "{limit}: {}", outcome.stderr);
    }
}

#[test]
fn a_directory_that_dies_and_comes_back() {
    let mut scene = Scene::of(company().person(Person::new("jane")));
    scene.imp();
    let before = scene.state();
    scene.directory.kill();
    scene.imp_fails(3, "directory-unreachable");
    assert_eq!(scene.state(), before);
    scene.directory.restart();
    assert!(scene.changes(&scene.imp()).is_empty());
}
