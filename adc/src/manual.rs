//! The manual page adc(1), made of the same words as the help.

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use roff::{Roff, bold, roman};

use crate::cli::{Cli, UNLESS_APPLIED};
use crate::exit::Exit;

/// What the program is called.
pub const NAME: &str = "adc";

/// What the environment may say, and of what.
const ENVIRONMENT: [(&str, &str); 9] = [
    ("ADC_CONFIG", "The configuration, instead of ./adc.yaml and /etc/adc/adc.yaml; --config wins over it."),
    ("ADC_SERVER_URL", "The control plane, instead of server.url."),
    ("ADC_APPLICATION_ID", "The synchronization, instead of server.application_id."),
    ("ADC_SECRET_TOKEN", "The Secret Token, instead of server.secret_token or a file that holds it."),
    (
        "ADC_LOG",
        "How much is logged: off, error, warn, info, debug or trace. Directives for libraries may follow: info,rustls=debug. -v and -q win over it.",
    ),
    (
        "ADC_METRICS",
        "Where adc run serves metrics for Prometheus: ADDRESS:PORT, or a port alone for 127.0.0.1; --metrics wins over it.",
    ),
    (
        "ADC_ENVIRONMENT_FILE",
        "The file that systemd read these variables from (EnvironmentFile); adc run reads it again at SIGHUP.",
    ),
    (
        "CREDENTIALS_DIRECTORY",
        "Set by systemd: its credentials adc-secret-token and adc-bind-password are read.",
    ),
    ("NO_COLOR", "Nothing is colored, unless --color says so."),
];

/// Where things lie.
const FILES: [(&str, &str); 2] = [
    (
        "./adc.yaml, /etc/adc/adc.yaml",
        "The configuration; the first that exists is read. Relative paths in it count from its own folder. adc config example prints one \
         that explains every key.",
    ),
    ("/etc/adc/adc.cfg", "The environment of the systemd service (systemd.exec(5), EnvironmentFile)."),
];

/// What `roff` begins every piece with: how an apostrophe is written. Once is enough for a page.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// The page, in the language that man reads.
pub fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let man = Man::new(command.clone()).manual("adc manual");
    let head = [
        Man::render_title,
        Man::render_name_section,
        Man::render_synopsis_section,
        Man::render_description_section,
    ];
    let head = head.map(|section| written(|page| section(&man, page)));
    let commands: String = command.get_subcommands().map(|command| of_command(command, NAME)).collect();
    let codes = Exit::ALL.map(|exit| (exit.code().to_string(), format!("{}.", exit.meaning())));
    let page = [
        head.concat(),
        heading("SH", "COMMANDS"),
        commands,
        options(&command, |_| true),
        list("EXIT STATUS", codes),
        paragraph(UNLESS_APPLIED),
        list("ENVIRONMENT", ENVIRONMENT),
        list("FILES", FILES),
    ];
    format!("{PREAMBLE}{}", page.concat().replace(PREAMBLE, ""))
}

/// What a part of the page is written as.
fn written(render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
    let mut text = Vec::new();
    render(&mut text).expect("memory takes whatever is written");
    String::from_utf8_lossy(&text).into_owned()
}

/// A command, and those below it.
fn of_command(command: &Command, above: &str) -> String {
    let name = format!("{above} {}", command.get_name());
    if command.get_name() == "help" {
        return String::new();
    }
    if command.has_subcommands() {
        return command.get_subcommands().map(|command| of_command(command, &name)).collect();
    }
    let arguments = command.get_positionals().map(|argument| argument.get_id().as_str().to_uppercase());
    let usage: Vec<String> = [name].into_iter().chain(arguments).collect();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let own = options(command, |argument| {
        !argument.is_global_set() && !matches!(argument.get_id().as_str(), "help" | "version")
    });
    heading("SS", &usage.join(" ")) + &paragraph(&about) + &own.replace(HEADING_OF_OPTIONS, "")
}

/// How [`Man`] begins a section of options.
const HEADING_OF_OPTIONS: &str = ".SH OPTIONS\n";

/// Those options of a command that are wanted.
fn options(command: &Command, wanted: impl Fn(&clap::Arg) -> bool) -> String {
    let shown = command.clone().mut_args(|argument| {
        let hidden = !wanted(&argument);
        argument.hide(hidden)
    });
    written(|page| Man::new(shown).render_options_section(page))
}

/// A section of terms and what they mean.
fn list<T: AsRef<str>, U: AsRef<str>>(title: &str, items: impl IntoIterator<Item = (T, U)>) -> String {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (term, meaning) in items {
        roff.control("TP", []);
        roff.text([bold(term.as_ref())]);
        roff.text([roman(meaning.as_ref())]);
    }
    roff.render()
}

fn heading(level: &str, title: &str) -> String {
    let mut roff = Roff::new();
    roff.control(level, [title]);
    roff.render()
}

/// Text, of which an empty line begins a paragraph.
fn paragraph(text: &str) -> String {
    let mut roff = Roff::new();
    for paragraph in text.split("\n\n") {
        roff.control("PP", []);
        roff.text([roman(paragraph)]);
    }
    roff.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_command_flag_and_exit_code() {
        let page = page().replace('\\', "");
        let mut names = Vec::new();
        let mut command = Cli::command();
        command.build();
        name(&command, "", &mut names);
        assert!(names.contains(&" adc config show".to_owned()), "{names:?}");
        for name in names {
            assert!(page.contains(name.trim()), "{name}: {page}");
        }
        for exit in Exit::ALL {
            assert!(page.contains(&format!(".TP\nfB{}fR\n", exit.code())), "{}: {page}", exit.code());
        }
        assert_eq!(page.matches(".SH OPTIONS").count(), 1);
        assert_eq!(page.matches(".el .ds Aq").count(), 1);
    }

    /// The names of a command and those below it, and of their flags.
    fn name(command: &Command, above: &str, names: &mut Vec<String>) {
        if command.get_name() == "help" {
            return;
        }
        let own = format!("{above} {}", command.get_name());
        command.get_subcommands().for_each(|command| name(command, &own, names));
        names.extend(
            command.get_arguments().filter_map(|flag| flag.get_long()).map(|flag| format!("--{flag}")),
        );
        if !command.has_subcommands() {
            names.push(own);
        }
    }
}
