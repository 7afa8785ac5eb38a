//! Plans that are held, approved, rejected, superseded.

use crate::{
    polled::polled,
    world::{BASE, Directory, World, group, look_up, person},
};
use adc_core::{
    plan::{ObjectStatus, UserStatus},
    policy::{Guards, Policy},
    protocol::{Confirm, Fingerprint, Finish, Mark, Next, RunState},
    reason::Reason,
    record::Kind,
    settings::Settings,
};
use adc_server::{
    admin::users,
    api::auth::Administrator,
    clock::Clock,
    runs::AgentIdentity,
    store::{Editable, ObjectsFilter, Synchronization, UsersFilter},
};
use serde_json::json;
use std::pin::pin;

/// A directory that the first so many people have left.
pub(crate) fn without(directory: &Directory, people: usize) -> Directory {
    let mut fewer = directory.clone();
    for number in 0..people {
        fewer.remove(&format!("{number:05}"));
    }
    fewer
}

#[tokio::test]
async fn too_many_leavers_are_held_and_approved() {
    let world = World::new().await;
    let directory = Directory::people(50);
    world.import(&directory).await.expect("imports");
    let fewer = without(&directory, 11);
    let held = world.import(&fewer).await.expect("runs");
    assert_eq!((held.state, held.held_because[0].reason), (RunState::Held, Reason::GuardRemovals));

    world.engine.approve(&world.agent.account_id, &held.run_id).await.expect("is approved");
    assert_eq!(world.import(&fewer).await.expect("imports").counts.unchanged, 39);
    let again =
        world.engine.approve(&world.agent.account_id, &held.run_id).await.expect_err("is approved only once");
    assert_eq!(again.code(), "not-held");
}

#[tokio::test]
async fn unapproved_removals_of_a_day_add_up() {
    let world = World::new().await;
    let directory = Directory::people(50);
    world.import(&directory).await.expect("imports");
    assert_eq!(world.import(&without(&directory, 6)).await.expect("imports").state, RunState::Applied);
    assert_eq!(world.import(&without(&directory, 12)).await.expect("runs").state, RunState::Held);
    world.pass_time(24 * 60 * 60 * 1000 + 1);
    assert_eq!(world.import(&without(&directory, 12)).await.expect("imports").state, RunState::Applied);
}

#[tokio::test]
async fn approved_removals_do_not_add_up() {
    let world = World::new().await;
    let directory = Directory::people(50);
    world.import(&directory).await.expect("imports");
    let held = world.import(&without(&directory, 11)).await.expect("runs");
    world.engine.approve(&world.agent.account_id, &held.run_id).await.expect("is approved");
    assert_eq!(world.import(&without(&directory, 16)).await.expect("imports").state, RunState::Applied);
}

#[tokio::test]
async fn disabled_leavers_of_former_days_made_room_for_more_removals() {
    let settings = Settings { delete_disables: Some(true), ..Settings::default() };
    let world = World::with(settings, None, None).await;
    let directory = Directory::people(120);
    world.import(&directory).await.expect("imports");
    assert_eq!(world.import(&without(&directory, 10)).await.expect("imports").counts.disable, 10);
    world.pass_time(24 * 60 * 60 * 1000 + 1);
    let held = world.import(&without(&directory, 22)).await.expect("runs");
    assert_eq!(held.state, RunState::Held, "12 of the 110 who are left are more than 10 %");
}

#[tokio::test]
async fn a_rejected_plan_is_proposed_again_and_a_later_run_supersedes_a_held_one() {
    let world = World::new().await;
    let directory = Directory::people(50);
    world.import(&directory).await.expect("imports");
    let fewer = without(&directory, 20);
    let first = world.import(&fewer).await.expect("runs");
    world.engine.reject(&world.agent.account_id, &first.run_id).await.expect("is rejected");
    let second = world.import(&fewer).await.expect("runs");
    assert_eq!(second.state, RunState::Held);

    let preview = world.preview(&directory).await.expect("previews");
    assert_eq!(preview.state, RunState::Previewed);
    let still =
        world.store.run(&world.agent.account_id, &second.run_id).await.expect("reads").expect("is there");
    assert_eq!(still.state, RunState::Held, "a preview supersedes nothing");

    assert_eq!(world.import(&directory).await.expect("imports").state, RunState::Applied);
    let refused =
        world.engine.approve(&world.agent.account_id, &second.run_id).await.expect_err("is superseded");
    assert_eq!(refused.code(), "superseded");
}

#[tokio::test]
async fn a_held_plan_is_stale_once_settings_or_policy_changed() {
    let world = World::new().await;
    let directory = Directory::people(50);
    world.import(&directory).await.expect("imports");
    let held = world.import(&without(&directory, 20)).await.expect("runs");
    let (account_id, id) = (&world.agent.account_id, &world.agent.synchronization_id);
    let switched = |current: &Synchronization| {
        let settings = Settings { create_as_disabled: Some(true), ..Settings::default() };
        Ok::<_, ()>(Editable { settings, ..current.editable() })
    };
    world.store.edit_synchronization(account_id, id, 0, switched).await.expect("edits");
    let refused = world.engine.approve(account_id, &held.run_id).await.expect_err("is stale");
    assert_eq!(refused.code(), "plan-stale");
}

#[tokio::test]
async fn only_an_applied_run_moves_the_checkpoint() {
    let world = World::new().await;
    let (account_id, id) = (&world.agent.account_id, &world.agent.synchronization_id);
    let directory = Directory::people(50);
    let fewer = without(&directory, 20);
    let run = async |position: &str, dry_run, directory: &Directory| {
        let opened = world.open(dry_run).await.expect("opens");
        let mut receipt = world.send(&opened, directory).await.expect("sends");
        receipt.mark = Some(Mark { kind: "contextCSN".to_owned(), values: vec![position.to_owned()] });
        world.finish(&opened.run_id, directory, receipt).await.expect("finishes")
    };
    let shown = async || {
        let shown = world.store.synchronization(account_id, id).await.expect("reads").expect("is there");
        Synchronization { held_run: None, ..shown }
    };
    let position = |shown: &Synchronization| shown.checkpoint.as_ref().map(|it| it.mark.values[0].clone());

    assert_eq!(run("1", true, &directory).await.state, RunState::Previewed);
    assert_eq!(position(&shown().await), None);
    assert_eq!(run("2", false, &directory).await.state, RunState::Applied);
    let applied = shown().await;
    assert_eq!(position(&applied).as_deref(), Some("2"));

    assert_eq!(run("3", true, &fewer).await.state, RunState::Previewed);
    assert_eq!(shown().await, applied);
    let held = run("4", false, &fewer).await;
    assert_eq!((held.state, shown().await), (RunState::Held, applied.clone()));
    world.engine.reject(account_id, &held.run_id).await.expect("is rejected");
    assert_eq!(shown().await, applied);

    let held = run("5", false, &fewer).await;
    world.engine.approve(account_id, &held.run_id).await.expect("is approved");
    assert_eq!(position(&shown().await).as_deref(), Some("5"));
}

#[tokio::test]
async fn an_org_unit_that_disappears_with_one_person_holds_the_plan() {
    let world = World::new().await;
    let mut directory = Directory::people(50);
    directory.user("00007").dn = format!("uid=00007,ou=far away,{BASE}");
    world.import(&directory).await.expect("imports");
    directory.remove("00007");
    directory.containers_gone.insert(format!("OU=Far Away,{BASE}"));
    let held = world.import(&directory).await.expect("runs");
    assert_eq!((held.state, held.held_because[0].reason), (RunState::Held, Reason::GuardOuDisappeared));
}

#[tokio::test]
async fn a_changed_configuration_that_would_remove_somebody_is_held() {
    let mut world = World::new().await;
    let mut directory = Directory::people(50);
    world.import(&directory).await.expect("imports");
    let moved = directory.remove("00007");
    directory.out_of_scope.insert((moved.kind, moved.source_id), moved.dn);
    world.fingerprint = Fingerprint {
        server: "another".to_owned(),
        configuration: [("base_dn".to_owned(), "ou=people".to_owned())].into(),
        ..Fingerprint::default()
    };
    let held = world.import(&directory).await.expect("runs");
    assert_eq!((held.state, held.held_because[0].reason), (RunState::Held, Reason::GuardFingerprint));
}

#[tokio::test]
async fn a_field_that_is_blanked_for_most_is_held() {
    let world = World::new().await;
    let mut directory = Directory::people(50);
    world.import(&directory).await.expect("imports");
    for number in 0..26 {
        directory.user(&format!("{number:05}")).fields.clear();
    }
    let held = world.import(&directory).await.expect("runs");
    assert_eq!((held.state, held.held_because[0].reason), (RunState::Held, Reason::GuardBlanked));
}

#[tokio::test]
async fn nobody_read_where_there_were_people_is_an_error() {
    let world = World::new().await;
    let directory = Directory::people(3);
    world.import(&directory).await.expect("imports");
    let refused = world.import(&Directory::default()).await.expect_err("is refused");
    assert_eq!(refused.code(), "empty-read");
    assert_eq!(world.import(&directory).await.expect("imports").counts.unchanged, 3);
}

#[tokio::test]
async fn an_agent_that_does_not_answer_for_containers_is_asked_again() {
    let world = World::new().await;
    let mut directory = Directory::people(50);
    directory.user("00007").dn = format!("uid=00007,ou=far away,{BASE}");
    world.import(&directory).await.expect("imports");
    directory.remove("00007");
    directory.containers_gone.insert(format!("ou=far away,{BASE}"));
    let opened = world.open(false).await.expect("opens");
    let receipt = world.send(&opened, &directory).await.expect("sends");
    let finish = Finish { receipt: receipt.clone() };
    let first = world.engine.finish(&world.agent, &opened.run_id, &finish).await.expect("asks");
    let Next::Confirm(doubts) = first else { panic!("{first:?}") };
    let silent = Confirm { containers: Vec::new(), ..look_up(&directory, &doubts) };
    let second = world.engine.confirm(&world.agent, &opened.run_id, silent).await.expect("asks again");
    let Next::Confirm(doubts) = second else { panic!("{second:?}") };
    assert_eq!((doubts.objects.len(), doubts.containers.len()), (0, 1));
    let held = world.finish(&opened.run_id, &directory, receipt).await.expect("runs");
    assert_eq!(held.held_because[0].reason, Reason::GuardOuDisappeared);
}

#[tokio::test]
async fn groups_that_go_out_of_sight_together_are_held() {
    let world = World::new().await;
    let people = Directory::people(3);
    let mut directory = people.clone();
    for number in 0..11 {
        directory.put(group(&format!("g{number}"), &["00000"]));
    }
    world.import(&directory).await.expect("imports");
    let held = world.import(&people).await.expect("runs");
    assert_eq!((held.state, held.held_because[0].reason), (RunState::Held, Reason::GuardRemovals));
}

#[tokio::test]
async fn all_groups_went_a_few_at_a_time() {
    let world = World::new().await;
    let mut directory = Directory::people(3);
    for number in 0..40 {
        directory.put(group(&format!("g{number:02}"), &["00000"]));
    }
    world.import(&directory).await.expect("imports");
    let mut remove = |groups: std::ops::Range<u8>| {
        for number in groups {
            directory.objects.remove(&(Kind::Group, format!("g{number:02}"))).expect("is there");
        }
        directory.clone()
    };
    let ten_fewer = world.import(&remove(0..10)).await.expect("imports");
    assert_eq!((ten_fewer.state, ten_fewer.counts.delete), (RunState::Applied, 10));
    let twenty_fewer = remove(10..20);
    let held = world.import(&twenty_fewer).await.expect("runs");
    assert_eq!((held.state, held.held_because[0].reason), (RunState::Held, Reason::GuardRemovals));
    world.pass_time(24 * 60 * 60 * 1000 + 1);
    assert_eq!(world.import(&twenty_fewer).await.expect("imports").state, RunState::Applied);
}

#[tokio::test]
async fn a_held_plan_is_not_approved_while_another_run_reads() {
    let world = World::new().await;
    let mut directory = Directory::people(50);
    world.import(&directory).await.expect("imports");
    let before = directory.clone();
    for number in 0..26 {
        directory.user(&format!("{number:05}")).fields.clear();
    }
    let held = world.import(&directory).await.expect("runs");
    assert_eq!(held.state, RunState::Held);
    let opened = world.open(false).await.expect("opens");
    let receipt = world.send(&opened, &before).await.expect("sends");
    let refused = world.engine.approve(&world.agent.account_id, &held.run_id).await.expect_err("one reads");
    assert_eq!(refused.code(), "run-active");
    let report = world.finish(&opened.run_id, &before, receipt).await.expect("finishes");
    assert_eq!((report.state, report.counts.unchanged), (RunState::Applied, 50));
}

#[tokio::test]
async fn whoever_is_protected_while_their_removal_is_approved_stays() {
    let guards = Guards { max_removals: 0, max_removals_percent: 0, ..Guards::default() };
    let policy = Policy { guards, ..Policy::default() };
    let world = World::with(Settings::default(), Some(policy), None).await;
    let account_id = &world.agent.account_id;
    let administrator = Administrator { account_id: account_id.clone(), key_id: "key".to_owned() };
    let clock = Clock::from_fn(|| 0);
    let (mut kept, mut removed) = (0, 0);
    // The administrator comes a step of the approval later each time.
    for polls in 0.. {
        let mut directory = Directory::of(&["anna"]);
        let name = format!("p{polls}");
        directory.put(person(&name, &name));
        world.import(&directory).await.expect("imports");
        directory.remove(&name);
        let held = world.import(&directory).await.expect("runs");
        assert_eq!(held.state, RunState::Held);
        let known = UsersFilter { status: None, pattern: Some(format!("{name}@%")) };
        let leaver = world.store.users(account_id, &known, None, 1).await.expect("reads").remove(0).1;

        let mut approval = pin!(world.engine.approve(account_id, &held.run_id));
        let early = polled(polls, approval.as_mut()).await;
        let was_early = early.is_some();
        let protection = json!({ "account_owner": true });
        let (protected, approved) = tokio::join!(
            users::patch(&world.store, &clock, &administrator, &leaver.id, &protection),
            async {
                match early {
                    Some(approved) => approved,
                    None => approval.await,
                }
            }
        );
        let leaver = world.store.user(account_id, &leaver.id).await.expect("reads").expect("is kept");
        match approved {
            Ok(()) => {
                assert_eq!(leaver.state.status, UserStatus::Deleted);
                assert_eq!(protected.expect_err("came too late").code(), "user-deleted");
                removed += 1;
            }
            Err(refused) => {
                assert_eq!(refused.code(), "plan-stale");
                assert_eq!(leaver.state.status, UserStatus::Active);
                kept += 1;
            }
        }
        if was_early {
            break;
        }
    }
    assert!(kept > 0 && removed > 0, "{kept} were protected in time, {removed} were not");
}

#[tokio::test]
async fn two_approvals_at_once_called_whoever_waits_for_a_switch_synced() {
    let guards = Guards { max_removals: 0, max_removals_percent: 0, ..Guards::default() };
    let policy = Policy { guards, ..Policy::default() };
    let settings = Settings { no_update: Some(true), ..Settings::default() };
    let world = World::with(settings, Some(policy), None).await;
    let AgentIdentity { account_id, synchronization_id } = &world.agent;
    let mut early = 0;
    // The second approval comes a step of the first one later each time.
    for polls in 0.. {
        let mut directory = Directory::of(&["anna"]);
        let leaver = format!("p{polls}");
        directory.put(person(&leaver, &leaver));
        world.import(&directory).await.expect("imports");
        directory.user("anna").fields.insert("title".to_owned(), format!("title {polls}").as_str().into());
        directory.remove(&leaver);
        let held = world.import(&directory).await.expect("runs");
        assert_eq!((held.state, held.counts.skip), (RunState::Held, 1));

        let mut first = pin!(world.engine.approve(account_id, &held.run_id));
        let done = polled(polls, first.as_mut()).await;
        let was_done = done.is_some();
        let (first, second) = tokio::join!(
            async {
                match done {
                    Some(approved) => approved,
                    None => first.await,
                }
            },
            world.engine.approve(account_id, &held.run_id)
        );
        let pending = ObjectsFilter { status: Some(ObjectStatus::Pending), ..ObjectsFilter::default() };
        let pending =
            world.store.objects(account_id, synchronization_id, &pending, None, 10).await.expect("reads");
        assert_eq!(pending.len(), 1, "the switch still keeps anna's title back, after {polls} polls");
        let refused =
            [first, second].into_iter().filter_map(Result::err).map(|refused| refused.code().to_owned());
        assert_eq!(refused.collect::<Vec<_>>(), ["not-held"], "after {polls} polls");
        if was_done {
            break;
        }
        early += 1;
    }
    assert!(early > 0);
}
