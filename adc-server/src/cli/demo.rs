//! `adc-server demo`

use super::{Global, Output, output};
use crate::{
    clock::Clock,
    demo::{Demo, Options},
    serve::shutdown_signal,
};
use adc::{imp::output::columns, wrap::wrapped};
use clap::Args;
use std::{
    io::{self, IsTerminal},
    net::SocketAddr,
};

#[derive(Debug, Args)]
pub(super) struct Command {
    /// Where the control plane listens; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT", value_parser = loopback)]
    listen: SocketAddr,
    /// End after the last step instead of staying up
    #[arg(long)]
    once: bool,
}

impl Command {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let shutdown = shutdown_signal()?;
        let color = io::stdout().is_terminal();
        let options = Options { database: global.database.clone(), listen: self.listen, color };
        let mut demo = Demo::start(options, Clock::system()).await?;
        let text = global.output == Output::Text;
        let columns = columns();
        let mut tell = |step: &str| if text { output::print(&broken(step, columns)) } else { Ok(()) };
        tokio::pin!(shutdown);
        let played = async {
            let reports = demo.play(&mut tell).await?;
            anyhow::Ok((reports, demo.live(&mut tell).await?))
        };
        let (reports, live) = tokio::select! {
            played = played => played?,
            () = &mut shutdown => return demo.end().await,
        };
        if !text {
            output::print(&demo.facts(&reports, &live).to_string())?;
        }
        if self.once {
            return demo.end().await;
        }
        if text {
            // Whole lines, to be copied.
            output::print(&demo.next_steps())?;
            output::print("It stays up until you press Ctrl-C.")?;
        }
        demo.stay(shutdown).await
    }
}

/// How far a line of a numbered step is indented that goes on.
const HANGING: usize = 3;

/// What is told, with no line longer than the terminal is wide.
fn broken(step: &str, columns: Option<u16>) -> String {
    step.split('\n').map(|line| wrapped(line, columns, 0, HANGING)).collect::<Vec<_>>().join("\n")
}

/// The demo's passwords are known to everybody, so it is not for other machines.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|error| format!("{error}"))?;
    if address.ip().is_loopback() { Ok(address) } else { Err("the demo is for this machine only".to_owned()) }
}
