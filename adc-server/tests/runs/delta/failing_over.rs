//! Places in the feed of one domain controller, and runs that read another: also places of before it was noted which life of the
//! controller's database they are of.

use adc_core::{
    protocol::{ChangeFeed, FullBecause, Mark, Mode, RunState},
    reason::Reason,
};

use super::given_up;
use crate::world::{Directory, World};

const DIRSYNC: &str = "dirsync";
const NUMBER: &str = "highestCommittedUSN=4048";

/// What an agent calls a domain controller, in a life of its database.
fn controller(name: &str, life: &str) -> String {
    format!("CN=NTDS Settings,CN={name} of invocation {life}")
}

/// A place as agents left it before they noted the life in it, and as they leave it now.
fn place(life: Option<&str>) -> Mark {
    let mut values = vec!["cookie=AAH/".to_owned(), "currentTime=2026-11-22T05:10:36".to_owned()];
    values.push(NUMBER.to_owned());
    values.extend(life.map(|life| format!("invocationId={life}")));
    Mark { kind: DIRSYNC.to_owned(), values }
}

/// A control plane that people were imported to from this server, which left this place.
async fn imported(server: String, place: Mark) -> (World, Directory) {
    let mut world = World::new().await;
    world.feed = Some(ChangeFeed { name: DIRSYNC.to_owned(), mark: DIRSYNC.to_owned() });
    world.fingerprint.server = server;
    let directory = Directory::people(20);
    let opened = world.open(false).await.expect("opens");
    world.read_until(&opened, &directory, place).await.expect("imports");
    (world, directory)
}

#[tokio::test]
async fn a_place_of_before_its_life_was_noted_is_good_on_its_own_domain_controller_alone() {
    let (mut world, mut directory) = imported(controller("DC1", "a"), place(None)).await;
    let opened = world.open(false).await.expect("opens");
    assert_eq!((opened.mode, opened.checkpoint), (Mode::Delta, Some(place(None))));
    world.engine.abort(&world.agent, &opened.run_id, &given_up()).await.expect("aborts");
    for another in [controller("DC2", "b"), controller("DC1", "b")] {
        world.fingerprint.server = another;
        let opened = world.open(false).await.expect("opens");
        assert_eq!((opened.mode, opened.full_because), (Mode::Full, Some(FullBecause::FingerprintChanged)));
        world.engine.abort(&world.agent, &opened.run_id, &given_up()).await.expect("aborts");
    }
    // What is counted there says nothing about what it has heard of.
    let opened = world.open(false).await.expect("opens");
    directory.remove("00007");
    let behind = world.read_until(&opened, &directory, place(Some("b"))).await.expect("runs");
    assert_eq!((behind.state, behind.held_because[0].reason), (RunState::Held, Reason::GuardServerBehind));
}

#[tokio::test]
async fn a_place_of_before_servers_were_told_by_their_life_is_left() {
    let (mut world, directory) = imported("CN=NTDS Settings,CN=DC1".to_owned(), place(None)).await;
    world.fingerprint.server = controller("DC1", "a");
    let opened = world.open(false).await.expect("opens");
    assert_eq!((opened.mode, opened.full_because), (Mode::Full, Some(FullBecause::FingerprintChanged)));
    let report = world.read_until(&opened, &directory, place(Some("a"))).await.expect("runs");
    assert_eq!((report.state, report.counts.effective()), (RunState::Applied, 0));
    assert_eq!(world.open(false).await.expect("opens").mode, Mode::Delta);
}
