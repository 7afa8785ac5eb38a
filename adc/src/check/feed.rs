//! Which change feed will be followed, and what is missing for a better one.

use adc_core::mapping::{Bounds, Mapping};
use adc_core::policy::Policy;
use adc_core::record::Kind;

use super::{Hop, Report, State, Timer};
use crate::config::Config;
use crate::directory::feed::{Feed, Lost, MissingRight, Subject};
use crate::directory::{Directory, DirectoryError};
use crate::exit::Exit;
use crate::imp;

/// Tests the change feed. That there is none is no failure: then every run reads everything.
pub(super) async fn check(config: &Config, session: &mut Directory, report: &mut Report) {
    let timer = Timer::start();
    let hop = match verdict(config, session).await {
        Ok((state, message)) => Hop::new("change-feed", timer, state, message),
        Err(error) => Hop::failed("change-feed", timer, &error),
    };
    report.add(hop, Exit::Directory);
}

async fn verdict(config: &Config, session: &mut Directory) -> Result<(State, String), DirectoryError> {
    let Some(feed) = session.feed().await? else {
        let none = "none: every run reads everything, for this domain controller does not offer DirSync";
        return Ok((State::Ok, none.to_owned()));
    };
    let name = feed.as_str();
    let everything =
        |why: String| (State::Warning, format!("{name} is not used: {why}; every run reads everything"));
    // What does not compile was said by the hop before.
    let Some(subject) = subject(config, session).filter(|subject| feed.names_by(&subject.id)) else {
        return Ok(everything("it names objects by another id than id_attribute".to_owned()));
    };
    if let Some(attribute) = subject.queries.iter().find_map(|query| feed.not_followed_of(query)) {
        return Ok(everything(format!(
            "a filter or a field rests on {attribute}, whose changes it does not report"
        )));
    }
    if feed == Feed::Timestamps {
        return Ok(if session.shows_times(&subject).await? {
            (State::Ok, format!("{name}: {}", times_compared(session)))
        } else {
            everything(Lost::NoTimes.to_string())
        });
    }
    let Some(mark) = session.mark().await? else {
        return Ok(everything(format!(
            "{} cannot be read at the root of the tree; {}",
            feed.mark_kind(),
            for_a_mark(feed)
        )));
    };
    let compares = match session.touched(feed, &mark, &subject).await? {
        Err(Lost::NotOffered) => return Ok(everything(for_a_mark(feed).to_owned())),
        // Who hides it is named below.
        Err(Lost::NumbersHidden) => false,
        Err(lost) => return Ok(everything(lost.to_string())),
        Ok(touched) => touched.present.is_some(),
    };
    if compares && feed == Feed::DirSync {
        return Ok((State::Warning, format!("{name}: {}", rights_missing(config, session).await?)));
    }
    if feed == Feed::Syncrepl
        && let Some(dn) = session.hidden_from_feed(&subject).await?
    {
        return Ok(everything(format!("{}; {dn} is one of them", Lost::NumbersHidden)));
    }
    // OpenLDAP compares where somebody wrote just now and it keeps no log; else the change before the last one shows that.
    let compares = match feed.before_last_change(&mark) {
        Some(earlier) if !compares => {
            let touched = session.touched(feed, &earlier, &subject).await?;
            touched.is_ok_and(|touched| touched.present.is_some())
        }
        _ => compares,
    };
    Ok(if compares {
        (State::Ok, format!("{name}: {LOG_MISSING}"))
    } else {
        (State::Ok, format!("{name}: after the first import a run reads only what changed"))
    })
}

/// What it costs that the directory does not say what changed, and what to do.
fn times_compared(session: &Directory) -> String {
    let better = if Feed::of(session.root()) == Some(Feed::Syncrepl) {
        for_a_mark(Feed::Syncrepl)
    } else if session.root().openldap {
        "to be told, load the overlay syncprov in the directory, with syncprov-sessionlog 10000"
    } else {
        "it offers no feed that this version uses"
    };
    format!(
        "a run reads only what changed, but compares when everything was changed last, because the directory does not say what \
         changed, and adc imp --watch asks it every five seconds; {better}"
    )
}

/// What somebody could do so that the feed is offered where the base DN is, and its place can be read.
fn for_a_mark(feed: Feed) -> &'static str {
    if feed == Feed::Syncrepl {
        "the module syncprov is loaded, but its overlay is not part of the database of the base DN, or the bind account may not read that \
         database's root, or part of the tree lies in a subordinate database that the overlay does not see; add `overlay syncprov` and \
         `syncprov-sessionlog 10000` to the database, after `overlay glue` if there are subordinate ones, and let the account read contextCSN there"
    } else {
        "let the bind account read it"
    }
}

/// What is read, as far as adc.yaml says; the server's policy may add to it. `None` where it does not compile.
fn subject(config: &Config, session: &Directory) -> Option<Subject> {
    let bounds = Bounds {
        preset: config.directory.preset,
        id_attribute: config.directory.id_attribute.clone(),
        attributes: config.directory.attributes.clone(),
    };
    let mapping = Mapping::compile(&Policy::default(), &bounds, &session.root().dse).ok()?;
    let queries = Kind::ALL.map(|kind| imp::query(&config.directory, &mapping, kind));
    Some(Subject { queries: queries.into(), id: mapping.id().clone(), ..Subject::default() })
}

/// What a directory costs that does not say who was removed, and what to do.
const LOG_MISSING: &str = "a run reads only what changed, but compares all ids, because the directory does not remember who was removed (at \
     least not since it was started); unless it has one, give it a session log: syncprov-sessionlog 10000";

/// What it costs that the bind account lacks rights, which they are, and the commands that give them.
async fn rights_missing(config: &Config, session: &mut Directory) -> Result<String, DirectoryError> {
    let missing = session.missing_rights().await?;
    let tree = session.tree().unwrap_or_default();
    // A DN is no name to the tools that give rights.
    let name = Some(&config.directory.bind_dn).filter(|name| !name.contains('='));
    let account = name.map_or("DOMAIN\\account", String::as_str);
    let give = |right: &MissingRight| match right {
        MissingRight::Replicate => format!(
            "give it the right Replicating Directory Changes (dsacls \"{tree}\" /G \"{account}:CA;Replicating Directory Changes\")"
        ),
        MissingRight::SeeDeleted => format!(
            "let it list and read the deleted objects (dsacls \"CN=Deleted Objects,{tree}\" /takeOwnership; dsacls \"CN=Deleted Objects,{tree}\" \
             /G \"{account}:LCRP\")"
        ),
    };
    let give: Vec<String> = missing.iter().map(give).collect();
    let elsewhere =
        if session.root().vendor.is_some() { "; on Samba as docs/directories.md says" } else { "" };
    Ok(format!(
        "a run reads only what changed, but compares all ids, because the bind account is not told who left; {}{elsewhere}",
        give.join(", and ")
    ))
}
