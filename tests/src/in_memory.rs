//! The in-memory directory, for what a real one cannot be made to do wrong.

use std::fmt;
use std::ops::Deref;

use adc_sandbox::{Behaviour, Journal, Sandbox, sample};
use tokio::runtime::{Builder, Runtime};

/// The sample company's directory in this very process, which goes on serving while the test waits for others.
///
/// Unlike the demo's nobody in it claims another's address, so that an import of it leaves nothing to attend to.
pub struct InMemory {
    sandbox: Sandbox,
    runtime: Runtime,
}

impl InMemory {
    /// Serves it without TLS.
    pub fn sample() -> Self {
        Self::start(adc_sandbox::Sandbox::builder())
    }

    /// Serves it as a directory that has no paged results.
    pub fn without_pages() -> Self {
        let mut behaviour = Behaviour::default();
        behaviour.paged_results = false;
        Self::start(Sandbox::builder().behaviour(behaviour))
    }

    /// The DN of its bind account.
    pub fn bind_dn(&self) -> &'static str {
        sample::READONLY_DN
    }

    /// The password of its bind account.
    pub fn bind_password(&self) -> &'static str {
        sample::READONLY_PASSWORD
    }

    /// Waits until clients have done something.
    pub fn wait_until(&self, condition: impl Fn(&Journal) -> bool) {
        self.runtime.block_on(self.sandbox.until(condition));
    }

    fn start(builder: adc_sandbox::Builder) -> Self {
        // A thread of its own: the test's thread blocks while it waits for other programs.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let sandbox = runtime.block_on(builder.start()).expect("loopback has a free port");
        let mended = sandbox.directory().set(sample::SAME_MAIL, "mail", ["sinead.obrien@example.com"]);
        mended.expect("the sample has this person");
        Self { sandbox, runtime }
    }
}

impl Deref for InMemory {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl fmt::Debug for InMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("InMemory").field(&self.sandbox).finish()
    }
}
