//! A hop as a line for people.

use std::io::{self, Write};

use super::{Hop, State};
use crate::imp::output::columns;
use crate::printable::printable;
use crate::wrap::wrapped;

/// Where the lines begin that go on with what was found: behind the longest state.
const HANGING: usize = 8;

/// Prints a hop on stdout: state, name, what was reached, how long it took, and what was found.
pub(super) fn line(hop: &Hop, color: bool) {
    // A reader that went away needs no further lines.
    let _ = writeln!(io::stdout().lock(), "{}", text(hop, color, columns()));
}

fn text(hop: &Hop, color: bool, columns: Option<u16>) -> String {
    let (word, code) = match hop.state {
        State::Ok => ("ok", "32"),
        State::Warning => ("warning", "33"),
        State::Failed => ("failed", "31"),
    };
    let state = if color { format!("\x1b[{code}m{word:<7}\x1b[0m") } else { format!("{word:<7}") };
    // Most sentences about a failure name the place themselves.
    let address = hop.address.as_deref().filter(|address| !hop.message.contains(*address));
    let address = address.map_or_else(String::new, |address| format!("{address}: "));
    let certificate = hop.certificate.as_ref().map_or_else(String::new, |certificate| {
        format!(
            "; certificate {} expires {}",
            certificate.subject,
            certificate.expires.split('T').next().unwrap_or_default()
        )
    });
    let found = format!("{address}{}{certificate}", hop.message);
    let place = format!(" {:<15} {:>6} ms  ", hop.hop, hop.duration_ms);
    let from = HANGING - 1 + place.len();
    let found = wrapped(&printable(&found), columns, from, HANGING);
    let place = if found.starts_with('\n') { place.trim_end() } else { &place };
    format!("{state}{place}{found}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Certificate;

    #[test]
    fn a_line_says_state_place_time_and_certificate() {
        let hop = Hop {
            hop: "tls",
            state: State::Ok,
            address: Some("ldaps://dc1:636".to_owned()),
            message: "TLS 1.3".to_owned(),
            certificate: Some(Certificate {
                subject: "CN=dc1".to_owned(),
                names: Vec::new(),
                issuer: "CN=LG Root".to_owned(),
                expires: "2031-01-01T00:00:00Z".to_owned(),
            }),
            duration_ms: 12,
        };
        insta::assert_snapshot!(text(&hop, false, None), @"ok      tls                 12 ms  ldaps://dc1:636: TLS 1.3; certificate CN=dc1 expires 2031-01-01");
        for columns in [40, 60, 80] {
            let text = text(&hop, true, Some(columns));
            let (first, rest) = text.split_once('\n').expect("it does not fit");
            assert!(
                rest.lines().all(|line| line.starts_with("        ") && line.len() <= usize::from(columns)),
                "{text}"
            );
            assert!(first.contains("12 ms") && !first.ends_with(' '), "{text}");
        }

        let refused =
            Hop { message: "ldaps://dc1:636 refuses the certificate".to_owned(), certificate: None, ..hop };
        insta::assert_snapshot!(text(&refused, false, None), @"ok      tls                 12 ms  ldaps://dc1:636 refuses the certificate");
    }
}
