//! Whatever is hidden, renamed or moved in whatever order, nobody is removed who is there, and whoever left is removed in the end.

use crate::{
    unidentified::unidentified_as,
    world::{BASE, Directory, World, person},
};
use adc_core::{
    plan::Provider,
    protocol::{RunReport, RunState},
    record::Record,
};
use adc_server::store::{StoredUser, UsersFilter};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// So many people to whom things happen, among others.
const PEOPLE: usize = 3;
/// So many more of whom none ever has an id.
const CONTRACTORS: usize = 2;

/// What happens to somebody between two runs.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The id goes out of sight, or is seen again; of those who have one.
    Hide(usize, bool),
    /// They get another DN, another user name, another mail address, or several of these.
    Change(usize, [bool; 3]),
    /// They leave, or somebody else comes in their place, whose id may have to be given yet.
    Leave(usize, bool),
    /// The directory is read.
    Run,
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..PEOPLE + CONTRACTORS;
    prop_oneof![
        3 => (0..PEOPLE, prop::bool::weighted(0.7)).prop_map(|(who, hidden)| Step::Hide(who, hidden)),
        4 => (who(), prop::array::uniform3(prop::bool::weighted(0.85))).prop_map(|(who, what)| Step::Change(who, what)),
        1 => (who(), prop::bool::ANY).prop_map(|(who, hidden)| Step::Leave(who, hidden)),
        3 => Just(Step::Run),
    ]
}

/// Somebody of the directory, and what is true of them.
#[derive(Debug, Clone)]
struct Somebody {
    record: Record,
    hidden: bool,
}

struct Play {
    world: World,
    people: Vec<Somebody>,
    /// Where those of an id were seen last.
    places: BTreeMap<String, String>,
    /// How many names there have been: each is new.
    names: usize,
}

impl Play {
    async fn new() -> Self {
        let mut play =
            Self { world: World::new().await, people: Vec::new(), places: BTreeMap::new(), names: 0 };
        for number in 0..PEOPLE + CONTRACTORS {
            let somebody = play.newcomer(number >= PEOPLE);
            play.people.push(somebody);
        }
        play
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("n{}", self.names)
    }

    fn newcomer(&mut self, hidden: bool) -> Somebody {
        let name = self.name();
        Somebody { record: person(&name, &name), hidden }
    }

    async fn happen(&mut self, step: Step) -> Result<(), TestCaseError> {
        let name = self.name();
        match step {
            Step::Hide(who, hidden) => self.people[who].hidden = hidden,
            Step::Change(who, [dn, username, email]) => {
                let record = &mut self.people[who].record;
                if dn {
                    record.dn = format!("uid={name},ou=people,{BASE}");
                }
                if username {
                    record.name = format!("{name}@lg.local");
                }
                if email {
                    record.email = Some(format!("{name}@lg.local"));
                }
            }
            Step::Leave(who, hidden) => self.people[who] = self.newcomer(hidden || who >= PEOPLE),
            Step::Run => {
                self.run().await?;
            }
        }
        Ok(())
    }

    /// Reads the directory; nobody loses their user who is there.
    async fn run(&mut self) -> Result<RunReport, TestCaseError> {
        let mut read = Directory::people(20);
        // Whoever is found where they were seen last is known, though the id is hidden.
        let mut found = read.clone();
        for Somebody { record, hidden } in &self.people {
            let id = record.source_id.clone();
            if !hidden {
                read.put(record.clone());
                found.put(record.clone());
                self.places.insert(id, record.dn.clone());
                continue;
            }
            let stranger = unidentified_as(&record.dn, record.clone());
            if self.places.get(&id) == Some(&record.dn) {
                found.put(Record { source_id: id, ..stranger.clone() });
            }
            found.put(stranger.clone());
            read.put(stranger);
        }
        let before = self.users().await;
        let opened = self.world.open(false).await.expect("opens");
        let receipt = self.world.send(&opened, &read).await.expect("sends");
        let report = self.world.finish(&opened.run_id, &found, receipt).await.expect("ends");
        prop_assert_eq!(report.state, RunState::Applied, "{:?}", report.held_because);
        let after = self.users().await;
        for Somebody { record, .. } in &self.people {
            let id = &record.source_id;
            prop_assert!(
                !before.contains(id) || after.contains(id),
                "{id} is there and was removed: {report:?}"
            );
        }
        Ok(report)
    }

    /// The ids of those who have a user.
    async fn users(&self) -> Vec<String> {
        let filter = UsersFilter::default();
        let users =
            self.world.store.users(&self.world.agent.account_id, &filter, None, 100).await.expect("reads");
        let source_id = |user: StoredUser| match user.provider {
            Provider::Directory { source_id, .. } => Some(source_id),
            Provider::Local => None,
        };
        users.into_iter().filter_map(|(_, user)| source_id(user)).collect()
    }
}

async fn play(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut play = Play::new().await;
    play.run().await?;
    for step in steps {
        play.happen(step).await?;
    }
    play.run().await?;
    // Everybody is seen again, and who never had an id is out of scope by now.
    play.people.truncate(PEOPLE);
    play.people.iter_mut().for_each(|somebody| somebody.hidden = false);
    let report = play.run().await?;
    prop_assert_eq!(report.counts.conflict, 0);
    prop_assert_eq!(play.users().await.len(), 20 + PEOPLE);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nobody_is_removed_who_is_there_and_whoever_left_is(steps in prop::collection::vec(step(), 0..32)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(play(steps))?;
    }
}
