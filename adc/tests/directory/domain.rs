//! What Active Directory does otherwise, played from memory: Samba has no limits that would show it.

use std::collections::BTreeSet;

use adc::directory::error::Failure;
use adc::directory::look_up::Found;
use adc::directory::{DirectoryError, Query, Unlisted};
use adc_core::entry::Entry;
use adc_core::mapping::Sid;
use adc_core::record::Kind;
use adc_core::source_id::{IdAttribute, SourceId};
use adc_sandbox::{
    ActiveDirectory, Attributes, Behaviour, Directory as Data, Fault, Operation, Sandbox, sample,
};

use crate::{config, config_with, open, people, read};

/// A group with more members than are given at once.
const BIG: &str = "cn=big,dc=example,dc=com";
/// Its members: two parts of 1,500, and a third.
const MEMBERS: usize = 3_500;
/// What asks for the second part, which begins with the last value of the first.
const SECOND: &str = "range=1499-";

/// The name of a member, who need not exist.
fn member(number: usize) -> String {
    format!("cn=member {number:05},dc=example,dc=com")
}

fn members(entry: &Entry) -> BTreeSet<String> {
    let texts: Vec<&str> = entry.texts("member").collect();
    let set: BTreeSet<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    assert_eq!(set.len(), texts.len(), "nobody is a member twice");
    set
}

fn all_members() -> BTreeSet<String> {
    (0..MEMBERS).map(member).collect()
}

/// A domain controller that serves the sample company and a big group.
async fn controller() -> Sandbox {
    let mut behaviour = Behaviour::default();
    behaviour.active_directory = Some(ActiveDirectory::default());
    let sandbox = Sandbox::builder().behaviour(behaviour).start().await.expect("starts");
    let group = Attributes::new().with("objectClass", "groupOfNames");
    sandbox.directory().add(BIG, group).expect("added");
    let members: Vec<String> = (0..MEMBERS).map(member).collect();
    sandbox.directory().set(BIG, "member", members).expect("set");
    sandbox
}

fn groups() -> Query {
    Query {
        kind: Kind::Group,
        filter: "(objectClass=groupOfNames)".parse().expect("parses"),
        attributes: ["entryUUID", "cn", "member", "objectSid"].map(str::to_owned).to_vec(),
        ..people()
    }
}

/// The big group as a read of all groups shows it.
async fn big(sandbox: &Sandbox) -> Result<Entry, DirectoryError> {
    let mut directory = open(config(sandbox)).await.expect("opens");
    let (entries, receipt) = read(&mut directory, &groups()).await;
    let receipt = receipt?;
    assert_eq!(receipt.entries, entries.len() as u64);
    let names: BTreeSet<&str> = entries.iter().map(Entry::dn).collect();
    assert_eq!(names.len(), entries.len(), "every group is handed on once");
    Ok(entries.into_iter().find(|entry| entry.dn() == BIG).expect("the big group is one of them"))
}

#[tokio::test]
async fn a_list_that_comes_in_parts_is_read_to_its_end() {
    let sandbox = controller().await;
    let group = big(&sandbox).await.expect("complete");
    assert_eq!(members(&group), all_members());
    assert!(group.attributes().iter().all(|attribute| !attribute.name.contains(";range=")));
    assert!(!group.attributes().iter().any(|attribute| attribute.name == "uSNChanged"));
}

#[tokio::test]
async fn a_part_that_is_missing_or_cut_makes_the_read_incomplete() {
    for (fault, why) in [
        (Fault::without("member").asking(SECOND), "the part of member from 1499 on is missing"),
        (Fault::cut_values(10).asking(SECOND), "came as member;range=1499-2998, with 10 values"),
        (
            Fault::cut_values(10).asking("uSNChanged"),
            "the list begins with member;range=0-1499, and 10 values",
        ),
    ] {
        let sandbox = controller().await;
        sandbox.faults().inject(fault.always());
        let error = big(&sandbox).await.expect_err(why);
        assert_eq!(error.failure, Failure::ListIncomplete);
        assert!(error.message.contains(why) && error.message.contains(BIG), "{error}");
    }
}

#[tokio::test]
async fn a_list_that_changes_once_is_read_again() {
    let sandbox = controller().await;
    sandbox.faults().inject(
        Fault::meanwhile(|directory| {
            directory.modify(BIG, |group| group.add("member", member(MEMBERS))).expect("changed");
        })
        .asking(SECOND),
    );
    let group = big(&sandbox).await.expect("complete");
    assert_eq!(sandbox.faults().pending(), 0);
    assert_eq!(members(&group).len(), MEMBERS + 1);
}

#[tokio::test]
async fn a_member_was_lost_when_another_left_the_directory_between_two_parts() {
    let sandbox = controller().await;
    sandbox.faults().inject(
        // As when its entry is removed: the group does not count as changed, and all that follow move up.
        Fault::meanwhile(|directory| directory.forget(BIG, "member", member(7)).expect("changed"))
            .asking(SECOND),
    );
    let group = big(&sandbox).await.expect("complete");
    let mut expected = all_members();
    expected.remove(&member(7));
    assert_eq!(members(&group), expected);
}

#[tokio::test]
async fn a_list_that_never_holds_still_makes_the_read_incomplete() {
    let sandbox = controller().await;
    sandbox.faults().inject(
        Fault::meanwhile(|directory| {
            directory.set(BIG, "description", [directory.time().to_string()]).expect("changed");
        })
        .asking(SECOND)
        .always(),
    );
    let error = big(&sandbox).await.expect_err("incomplete");
    assert_eq!(error.failure, Failure::ListIncomplete);
    insta::assert_snapshot!(error, @"the directory gives a list of cn=big,dc=example,dc=com in parts that do not join: it was changed while its list was read; nothing is concluded from a part: try again when nobody changes that entry, and if it stays so ask who runs the directory");
}

#[tokio::test]
async fn a_group_that_goes_away_meanwhile_makes_the_read_incomplete() {
    let sandbox = controller().await;
    sandbox
        .faults()
        .inject(Fault::meanwhile(|directory| directory.delete(BIG).expect("deleted")).asking("uSNChanged"));
    let error = big(&sandbox).await.expect_err("incomplete");
    assert_eq!(error.failure, Failure::ListIncomplete);
}

#[tokio::test]
async fn a_group_that_is_looked_up_has_all_its_members() {
    let sandbox = controller().await;
    let id = sandbox.directory().get(BIG).and_then(|entry| entry.text("entryUUID").map(SourceId::from));
    let id = id.expect("it has an id");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let by_id = IdAttribute::new("entryUUID");
    let mut found = directory.look_up(&groups(), &by_id, std::slice::from_ref(&id)).await.expect("answers");
    let at_its_place = directory.look_at(&groups(), &by_id, &id, BIG).await.expect("answers");
    for found in [found.remove(&id), at_its_place] {
        let Some(Found::InScope(group)) = found else { panic!("{found:?}") };
        assert_eq!(members(&group), all_members());
    }
}

#[tokio::test]
async fn a_search_without_pages_is_cut_and_said_to_be() {
    let sandbox = controller().await;
    let mut behaviour = Behaviour::default();
    let mut limits = ActiveDirectory::default();
    limits.max_page_size = sample::PEOPLE - 1;
    (behaviour.active_directory, behaviour.paged_results) = (Some(limits), false);
    sandbox.set_behaviour(behaviour.clone());
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let (entries, result) = read(&mut directory, &people()).await;
    assert_eq!(result.expect_err("cut").failure, Failure::SizeLimitExceeded);
    assert!(entries.len() < sample::PEOPLE);

    // Pages of more than the limit are made smaller, and none is taken for the last.
    behaviour.paged_results = true;
    sandbox.set_behaviour(behaviour);
    let config = config_with(&sandbox.url(), "").replace_page_size(1_000);
    let mut directory = open(config).await.expect("opens");
    let (entries, result) = read(&mut directory, &people()).await;
    assert_eq!(result.expect("complete").result_codes, [0, 0]);
    assert_eq!(entries.len(), sample::PEOPLE);
}

/// Makes a big page of the configuration's small one.
trait PageSize {
    fn replace_page_size(self, size: u32) -> Self;
}

impl PageSize for adc::config::DirectoryConfig {
    fn replace_page_size(mut self, size: u32) -> Self {
        self.page_size = size;
        self
    }
}

/// Adds the forest's list of its partitions: the configuration and DNS, a child domain, one that says nothing, and a
/// directory outside the forest.
fn add_partitions(directory: &mut Data) {
    let add = |directory: &mut Data, dn: &str, attributes: Attributes| {
        directory.add(dn, attributes).unwrap_or_else(|error| panic!("{dn}: {error}"));
    };
    let container = || Attributes::new().with("objectClass", "container");
    add(directory, "CN=Configuration,dc=example,dc=com", container());
    add(directory, "CN=Partitions,CN=Configuration,dc=example,dc=com", container());
    for (name, partition, flags) in [
        ("dns", "DC=DomainDnsZones,DC=example,DC=com", "5"),
        ("child", "DC=child,DC=example,DC=com", "3"),
        ("partner", "OU=Partner,DC=example,DC=com", "0"),
        ("who knows", "DC=app,DC=example,DC=com", ""),
    ] {
        let mut reference = Attributes::new().with("objectClass", "crossRef").with("nCName", partition);
        if !flags.is_empty() {
            reference.add("systemFlags", flags);
        }
        add(directory, &format!("CN={name},CN=Partitions,CN=Configuration,dc=example,dc=com"), reference);
    }
}

#[tokio::test]
async fn references_to_partitions_without_people_leave_a_read_complete() {
    for (url, complete) in [
        ("ldap://example.com/CN=Configuration,DC=example,DC=com", true),
        ("ldap://DomainDnsZones.example.com/DC=DomainDnsZones,DC=example,DC=com", true),
        ("ldap://child.example.com/DC=child,DC=example,DC=com", false),
        ("ldap://app.example.com/DC=app,DC=example,DC=com", false),
        ("ldap://ldap.partner.com/OU=Partner,DC=example,DC=com", false),
        ("ldap://example.com/OU=Elsewhere,DC=example,DC=com", false),
        ("ldap://example.com", false),
    ] {
        let sandbox = controller().await;
        add_partitions(&mut sandbox.directory());
        let mut directory = open(config(&sandbox)).await.expect("opens");
        // At the end of the last page of people, where Active Directory has them.
        sandbox.faults().inject(Fault::refer_after(usize::MAX, url).mentioning("inetOrgPerson").on_page(15));
        let (_, result) = read(&mut directory, &people()).await;
        assert_eq!(sandbox.faults().pending(), 0, "{url}");
        match result {
            Ok(receipt) => assert!(complete && receipt.complete, "{url}"),
            Err(error) => {
                assert!(!complete && error.failure == Failure::Referral, "{url}: {error}");
                assert!(error.message.contains(url), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn the_partitions_are_asked_for_once() {
    let sandbox = controller().await;
    add_partitions(&mut sandbox.directory());
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let url = "ldap://example.com/CN=Configuration,DC=example,DC=com";
    sandbox.faults().inject(Fault::refer_after(usize::MAX, url).mentioning("inetOrgPerson").always());
    read(&mut directory, &people()).await.1.expect("complete");
    read(&mut directory, &people()).await.1.expect("complete");
    let asked = sandbox.journal().log.into_iter().filter(
        |operation| matches!(operation, Operation::Search { base, .. } if base.starts_with("CN=Partitions")),
    );
    assert_eq!(asked.count(), 1);
}

/// `S-1-5-21-DOMAIN-NUMBER`
fn sid(domain: u8, number: u16) -> Vec<u8> {
    let [low, high] = number.to_le_bytes();
    vec![1, 3, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, domain, 0, 0, 0, low, high, 0, 0]
}

#[tokio::test]
async fn a_primary_group_has_the_members_it_does_not_list() {
    let sandbox = controller().await;
    {
        let mut directory = sandbox.directory();
        // Of the people everybody has a number of a group; of some it is that of another domain's.
        let names: Vec<String> = directory
            .entries()
            .filter(|entry| entry.attributes().values("objectClass").contains(&b"inetOrgPerson".to_vec()))
            .map(|entry| entry.dn().to_owned())
            .collect();
        for (number, dn) in (0..).zip(&names) {
            let domain = if number < 50 { 1 } else { 2 };
            let person = |person: &mut Attributes| {
                person.set("objectSid", [sid(domain, 1_000 + number)]);
                person.set("primaryGroupID", ["513"]);
            };
            directory.modify(dn, person).expect("changed");
        }
        directory.set(BIG, "objectSid", [sid(1, 513)]).expect("set");
    }
    let group = Sid::from_octets(&sid(1, 513)).expect("an identifier");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    for (groups_of_people, unlisted) in [
        (Some(BTreeSet::from([group])), 50),
        // Who they are was not read: any group may be one.
        (None, 50),
        (Some(BTreeSet::new()), 0),
    ] {
        let unlisted_members = Unlisted { groups: groups_of_people, people: Box::new(people()) };
        let query = Query { unlisted: Some(unlisted_members), ..groups() };
        let (entries, receipt) = read(&mut directory, &query).await;
        receipt.expect("complete");
        let group = entries.iter().find(|entry| entry.dn() == BIG).expect("is read");
        assert_eq!(members(group).len(), MEMBERS + unlisted);
    }
}

#[tokio::test]
async fn a_domain_controller_that_was_restored_is_another_server() {
    const CONFIGURATION: &str = "CN=Configuration,dc=example,dc=com";
    let sandbox = controller().await;
    let server = format!("CN=NTDS Settings,CN=DC1,CN=Servers,{CONFIGURATION}");
    let directory = open(config(&sandbox)).await.expect("opens");
    assert_eq!(directory.server_identity(), server, "what it does not show is no obstacle");

    let container = || Attributes::new().with("objectClass", "container");
    for dn in
        [CONFIGURATION, &format!("CN=Servers,{CONFIGURATION}"), &format!("CN=DC1,CN=Servers,{CONFIGURATION}")]
    {
        sandbox.directory().add(dn, container()).expect("added");
    }
    let settings = container().with("invocationId", (0..16).collect::<Vec<u8>>());
    sandbox.directory().add(&server, settings).expect("added");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let before = directory.server_identity();
    assert_eq!(before, format!("{server} of invocation 03020100-0504-0706-0809-0a0b0c0d0e0f"));

    // Restored in the middle of a run: absence cannot be proved there any more.
    sandbox.directory().set(&server, "invocationId", [[7; 16]]).expect("set");
    sandbox.faults().inject(Fault::drop_after(0));
    let ids = [SourceId::from("597ae2f6-16a6-1027-98f4-d28b5365dc14")];
    let lost = directory.look_up(&groups(), &IdAttribute::new("entryUUID"), &ids).await.expect_err("another");
    assert!(lost.message.contains("answered instead"), "{lost}");
    assert_ne!(open(config(&sandbox)).await.expect("opens").server_identity(), before);
}
