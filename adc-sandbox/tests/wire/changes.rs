use adc_sandbox::{Attributes, Directory, DirectoryError, sample};
use ldap3::Scope;

use crate::client::{PEOPLE, bound, dns, sandbox, search, search_for};

const ENGINEERING: &str = "ou=Engineering,ou=People,dc=example,dc=com";

fn person() -> Attributes {
    Attributes::new().with("objectClass", "inetOrgPerson").with("sn", "Newcomer")
}

#[tokio::test]
async fn what_changes_while_the_server_runs_is_seen_by_the_next_search() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    let dn = "uid=new,ou=IT,ou=People,dc=example,dc=com";
    sandbox.directory().add(dn, person().with("cn", "A Newcomer")).unwrap();
    assert_eq!(dns(&search(&mut ldap, "(uid=new)").await.0), [dn], "the RDN's value is an attribute");
    sandbox.directory().set(dn, "title", ["Apprentice"]).unwrap();
    assert_eq!(search(&mut ldap, "(title=apprentice)").await.0.len(), 1);
    sandbox.directory().delete(dn).unwrap();
    assert_eq!(search(&mut ldap, "(uid=new)").await.0.len(), 0);
}

#[tokio::test]
async fn a_moved_ou_takes_everybody_in_it_along() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    let uuid = sandbox.directory().get(sample::ZOE).unwrap().text("entryUUID").unwrap().to_owned();
    let csn = sandbox.directory().get(sample::ZOE).unwrap().text("entryCSN").unwrap().to_owned();

    let moved = sandbox.directory().move_to(ENGINEERING, "ou=Sites,dc=example,dc=com").unwrap();
    let renamed = sandbox.directory().rename(&moved, "ou=R\\, D").unwrap();
    assert_eq!(renamed, "ou=R\\, D,ou=Sites,dc=example,dc=com");

    let zoe = format!("uid=zoe.mueller,ou=Platform,{renamed}");
    let (entries, _) =
        search_for(&mut ldap, &renamed, Scope::Subtree, "(uid=zoe.mueller)", &["*", "+"]).await;
    assert_eq!(dns(&entries), [zoe.as_str()]);
    assert_eq!(entries[0].attrs["entryDN"], [zoe]);
    assert_eq!(entries[0].attrs["entryUUID"], [uuid], "who moves stays who they are");
    assert_eq!(entries[0].attrs["entryCSN"], [csn], "only the moved entry itself counts as changed");
    assert_eq!(search_for(&mut ldap, &renamed, Scope::Subtree, PEOPLE, &["1.1"]).await.0.len(), 78);
    assert_eq!(search_for(&mut ldap, ENGINEERING, Scope::Base, PEOPLE, &["1.1"]).await.1.rc, 32);
    let (ou, _) = search_for(&mut ldap, &renamed, Scope::Base, "(objectClass=*)", &["ou"]).await;
    assert_eq!(ou[0].attrs["ou"], ["R, D"], "the old RDN's value went, the new one came");
}

#[test]
fn every_change_moves_the_context_forward() {
    let mut directory = Directory::sample();
    let mut last = directory.context_csn().to_owned();
    let mut moved = |directory: &Directory| {
        let (now, before) = (directory.context_csn().to_owned(), last.clone());
        assert!(now > before, "{now} > {before}");
        last.clone_from(&now);
        now
    };
    directory.set(sample::ZOE, "title", ["Astronaut"]).unwrap();
    let csn = moved(&directory);
    assert_eq!(directory.get(sample::ZOE).unwrap().text("entryCSN"), Some(csn.as_str()));
    directory.delete(sample::DISABLED).unwrap();
    moved(&directory);
    let later = directory.time() + std::time::Duration::from_hours(24);
    directory.set_time(later);
    directory.rename(sample::ZOE, "uid=zoe").unwrap();
    assert_eq!(moved(&directory), "20260102000000.000000Z#000001#000#000000");
    let zoe = directory.get("uid=zoe,ou=Platform,ou=Engineering,ou=People,dc=example,dc=com").unwrap();
    assert_eq!(zoe.text("modifyTimestamp"), Some("20260102000000Z"));
    assert_eq!(zoe.text("createTimestamp"), Some("20260101000000Z"));
    assert_eq!(zoe.text("uid"), Some("zoe"));
}

#[test]
fn a_refused_change_leaves_everything_as_it_was() {
    let mut directory = Directory::sample();
    let before = directory.context_csn().to_owned();
    let platform = "ou=Platform,ou=Engineering,ou=People,dc=example,dc=com";
    let refusals = [
        (directory.add(sample::ZOE, person()), DirectoryError::AlreadyExists(sample::ZOE.into())),
        (
            directory.add("uid=x,ou=No,dc=example,dc=com", person()),
            DirectoryError::NoSuchParent("uid=x,ou=No,dc=example,dc=com".into()),
        ),
        (directory.add("nonsense", person()), DirectoryError::InvalidDn("nonsense".into())),
        (directory.delete(sample::GHOST), DirectoryError::NoSuchEntry(sample::GHOST.into())),
        (directory.delete(ENGINEERING), DirectoryError::NotALeaf(ENGINEERING.into())),
        (directory.move_to(ENGINEERING, platform).map(drop), DirectoryError::IntoItself(ENGINEERING.into())),
        (
            directory.delete_subtree(sample::BASE_DN).map(drop),
            DirectoryError::TheBase(sample::BASE_DN.into()),
        ),
    ];
    for (result, expected) in refusals {
        assert_eq!(result, Err(expected));
    }
    assert_eq!(directory.context_csn(), before);
    assert_eq!(directory.delete_subtree(ENGINEERING).unwrap(), 78 + 4);
}

#[test]
fn who_returns_with_their_uuid_is_the_same_entry() {
    let mut directory = Directory::sample();
    let zoe = directory.get(sample::ZOE).unwrap().attributes().clone();
    directory.delete(sample::ZOE).unwrap();
    directory.add(sample::ZOE, zoe.clone()).unwrap();
    assert_eq!(directory.get(sample::ZOE).unwrap().attributes().values("entryUUID"), zoe.values("entryUUID"));
}

#[test]
fn an_rdn_may_change_its_case_in_place() {
    let mut directory = Directory::sample();
    let renamed = directory.rename(sample::ZOE, "uid=Zoe.Mueller").unwrap();
    assert!(renamed.starts_with("uid=Zoe.Mueller,ou=Platform,"));
    assert_eq!(directory.get(sample::ZOE).unwrap().dn(), renamed);
    assert_eq!(directory.get(&renamed).unwrap().text("uid"), Some("Zoe.Mueller"));
}
