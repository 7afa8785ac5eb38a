//! What the daemon does, in a sentence: the line that `systemctl status` shows.

use crate::config::ConfigError;
use crate::run::{LinkState, Standing};

/// Says what is wrong with a configuration, in one line: systemd shows no more of it.
pub(super) fn wrong(error: &ConfigError) -> String {
    error.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Says how it stands, with the control plane at this address.
pub(super) fn sentence(standing: &Standing, url: &str) -> String {
    let link = match (standing.link, &standing.trouble) {
        (LinkState::Connecting, _) => format!("connecting to the control plane {url}"),
        (LinkState::Connected, _) => format!("connected to {url}"),
        (LinkState::Waiting, None) => format!("no link to the control plane {url}"),
        (LinkState::Waiting, Some(why)) => format!("no link to the control plane {url}: {why}"),
    };
    let work = match &standing.runs[..] {
        [run] => format!("doing the run {run}"),
        [run, waiting @ ..] => format!("doing the run {run}, {} more wait", waiting.len()),
        [] if standing.follows => {
            match standing.follows_again_at.filter(|_| standing.directory_trouble.is_some()) {
                None => "following the directory's changes".to_owned(),
                Some(at) => {
                    format!("not following the directory's changes until {}", at.strftime("%H:%M UTC"))
                }
            }
        }
        [] => "waiting to be told to run".to_owned(),
    };
    let work = match &standing.last_run {
        None => work,
        Some(outcome) => format!("{work}; last run: {outcome}"),
    };
    let work = match &standing.directory_trouble {
        None => work,
        Some(why) => format!("{work}; no way to the directory: {why}"),
    };
    match &standing.refused_configuration {
        None => format!("{link}; {work}"),
        Some(why) => format!("{link}; {work}; the configuration from before is in use: {why}"),
    }
}

/// Says that it ends, and why where nobody told it to: `systemctl status` shows that for as long as it stays down.
pub(super) fn farewell(standing: &Standing) -> String {
    let ending = match &standing.ends_because {
        None => "ending".to_owned(),
        Some(why) => format!("ended: {why}"),
    };
    if standing.runs.is_empty() { ending } else { format!("{ending}; the run under way is given up") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_problem_stood_behind_a_broken_line_end() {
        let problems =
            ["addr is missing", "base_dn is missing"].map(|sentence| ConfigError::of("adc.yaml", sentence));
        let both = ConfigError { problems: problems.into_iter().flat_map(|error| error.problems).collect() };
        assert_eq!(wrong(&both), "adc.yaml: addr is missing; adc.yaml: base_dn is missing");
    }

    #[test]
    fn whoever_was_refused_for_good_left_no_word_of_it() {
        let mut standing = Standing::default();
        assert_eq!(farewell(&standing), "ending");
        standing.runs = vec!["run_1".to_owned()];
        assert_eq!(farewell(&standing), "ending; the run under way is given up");
        standing.ends_because = Some("the Secret Token was replaced".to_owned());
        assert_eq!(
            farewell(&standing),
            "ended: the Secret Token was replaced; the run under way is given up"
        );
    }

    #[test]
    fn it_says_what_it_does_and_what_is_wrong() {
        let url = "https://cloud.example.com";
        let mut standing = Standing::default();
        insta::assert_snapshot!(sentence(&standing, url), @"connecting to the control plane https://cloud.example.com; waiting to be told to run");
        standing.link = LinkState::Connected;
        standing.follows = true;
        insta::assert_snapshot!(sentence(&standing, url), @"connected to https://cloud.example.com; following the directory's changes");
        standing.follows_again_at = Some("2026-11-22T11:40:59Z".parse().expect("a time"));
        standing.directory_trouble = Some("cn=reader is refused".to_owned());
        insta::assert_snapshot!(sentence(&standing, url), @"connected to https://cloud.example.com; not following the directory's changes until 11:40 UTC; no way to the directory: cn=reader is refused");
        standing.directory_trouble = None;
        standing.runs = vec!["run_1".to_owned()];
        insta::assert_snapshot!(sentence(&standing, url), @"connected to https://cloud.example.com; doing the run run_1");
        standing.runs.push("run_2".to_owned());
        standing.link = LinkState::Waiting;
        standing.trouble = Some("the link broke (timed out)".to_owned());
        standing.refused_configuration = Some("adc.yaml:2:3: unknown key `ulr`".to_owned());
        insta::assert_snapshot!(sentence(&standing, url), @"no link to the control plane https://cloud.example.com: the link broke (timed out); doing the run run_1, 1 more wait; the configuration from before is in use: adc.yaml:2:3: unknown key `ulr`");
    }
}
