//! Directories that misbehave: what a test asks the server to do wrong, and when.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use adc_core::dn::Dn;

use crate::ResultCode;
use crate::directory::Directory;

/// One misbehaviour. It strikes the next operation it fits, once, unless [`always`](Fault::always) is said.
///
/// ```
/// use adc_sandbox::{Fault, ResultCode};
///
/// Fault::drop_after(10).on_page(3).mentioning("inetOrgPerson");
/// Fault::answer_after(0, ResultCode::Busy, "come back later").always();
/// ```
///
/// Faults that come "after n entries" come after the last entry where a response has fewer.
#[derive(Debug, Clone)]
pub struct Fault {
    kind: Kind,
    page: Option<usize>,
    mentioning: Option<String>,
    asking: Option<String>,
    always: bool,
}

#[derive(Debug, Clone)]
enum Kind {
    Search(Misbehaviour),
    Bind(Refusal),
    StartTls(Refusal),
}

/// What a search response does wrong.
#[derive(Debug, Clone)]
pub(crate) enum Misbehaviour {
    DropAfter(usize),
    StallAfter(usize),
    AnswerAfter(usize, ResultCode, String),
    ReferAfter(usize, String),
    /// The n-th entry's message ends halfway.
    CutEntry(usize),
    /// The n-th entry's message has its full length, but a length inside it says more.
    GarbleEntry(usize),
    DnNotUtf8(usize),
    ValueNotUtf8(usize, String),
    IgnorePaging,
    Hide(Dn),
    /// Attributes whose names begin so are left out.
    Without(String),
    /// Of every attribute no more values are sent than this, whatever its label says.
    CutValues(usize),
    Meanwhile(Change),
}

/// What somebody does to the directory while a client reads it.
#[derive(Clone)]
pub(crate) struct Change(Arc<dyn Fn(&mut Directory) + Send + Sync>);

impl Change {
    pub(crate) fn make(&self, directory: &mut Directory) {
        (self.0)(directory);
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Change")
    }
}

/// What a bind or StartTLS gets instead of success.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    Answer(ResultCode, String),
    Stall,
}

impl Fault {
    /// Closes the connection after n entries, without a result.
    pub fn drop_after(entries: usize) -> Fault {
        Fault::search(Misbehaviour::DropAfter(entries))
    }

    /// Sends nothing more after n entries and keeps the connection open. Other operations on it go on.
    pub fn stall_after(entries: usize) -> Fault {
        Fault::search(Misbehaviour::StallAfter(entries))
    }

    /// Ends the search after n entries with this result; a page that ends so carries no cookie.
    pub fn answer_after(entries: usize, code: ResultCode, message: &str) -> Fault {
        Fault::search(Misbehaviour::AnswerAfter(entries, code, message.to_owned()))
    }

    /// Puts a search result reference (a referral) behind n entries; the search itself succeeds.
    pub fn refer_after(entries: usize, url: &str) -> Fault {
        Fault::search(Misbehaviour::ReferAfter(entries, url.to_owned()))
    }

    /// Cuts the n-th entry (the first is 1) in the middle of its bytes; what follows it reads as garbage.
    pub fn cut_entry(number: usize) -> Fault {
        Fault::search(Misbehaviour::CutEntry(number))
    }

    /// Makes a length inside the n-th entry (the first is 1) run past the entry's end: whole, but malformed
    /// BER.
    pub fn garble_entry(number: usize) -> Fault {
        Fault::search(Misbehaviour::GarbleEntry(number))
    }

    /// Makes the DN of the n-th entry (the first is 1) no UTF-8.
    pub fn dn_not_utf8(number: usize) -> Fault {
        Fault::search(Misbehaviour::DnNotUtf8(number))
    }

    /// Makes every value of an attribute of the n-th entry (the first is 1) no UTF-8.
    pub fn value_not_utf8(number: usize, attribute: &str) -> Fault {
        Fault::search(Misbehaviour::ValueNotUtf8(number, attribute.to_owned()))
    }

    /// Takes no notice of the paged results control, though the rootDSE names it: all entries, no cookie. For
    /// a server that has no paging and says so, see [`Behaviour`](crate::Behaviour).
    pub fn ignore_paging() -> Fault {
        Fault::search(Misbehaviour::IgnorePaging)
    }

    /// Hides an entry and all below it, as when the bind account loses the right to read it.
    ///
    /// # Panics
    /// When the text is not a DN.
    pub fn hide(dn: &str) -> Fault {
        Fault::search(Misbehaviour::Hide(Dn::parse(dn).expect("the hidden subtree's name is a DN")))
    }

    /// Leaves attributes out whose names begin so, such as `member;range=`.
    pub fn without(name: &str) -> Fault {
        Fault::search(Misbehaviour::Without(name.to_owned()))
    }

    /// Sends no more than so many values of each attribute, and says nothing of it.
    pub fn cut_values(count: usize) -> Fault {
        Fault::search(Misbehaviour::CutValues(count))
    }

    /// No fault of the server's: somebody changes the directory just before it answers.
    pub fn meanwhile(change: impl Fn(&mut Directory) + Send + Sync + 'static) -> Fault {
        Fault::search(Misbehaviour::Meanwhile(Change(Arc::new(change))))
    }

    /// Refuses a bind, whatever its password.
    pub fn refuse_bind(code: ResultCode, message: &str) -> Fault {
        Fault::of(Kind::Bind(Refusal::Answer(code, message.to_owned())))
    }

    /// Never answers a bind.
    pub fn stall_bind() -> Fault {
        Fault::of(Kind::Bind(Refusal::Stall))
    }

    /// Refuses StartTLS; the connection stays open in plain text.
    pub fn refuse_start_tls(code: ResultCode, message: &str) -> Fault {
        Fault::of(Kind::StartTls(Refusal::Answer(code, message.to_owned())))
    }

    /// Only on this page of a paged search; the first page, and a search without pages, is 1.
    #[must_use]
    pub fn on_page(self, number: usize) -> Fault {
        Fault { page: Some(number), ..self }
    }

    /// Only for searches whose filter, written as text, holds this (in any case): an attribute, a class, a
    /// value.
    #[must_use]
    pub fn mentioning(self, text: &str) -> Fault {
        Fault { mentioning: Some(text.to_lowercase()), ..self }
    }

    /// Only for searches that ask for an attribute whose description holds this: `range=1499`.
    #[must_use]
    pub fn asking(self, text: &str) -> Fault {
        Fault { asking: Some(text.to_owned()), ..self }
    }

    /// Every time it fits, until the faults are cleared.
    #[must_use]
    pub fn always(self) -> Fault {
        Fault { always: true, ..self }
    }

    fn search(misbehaviour: Misbehaviour) -> Fault {
        Fault::of(Kind::Search(misbehaviour))
    }

    fn of(kind: Kind) -> Fault {
        Fault { kind, page: None, mentioning: None, asking: None, always: false }
    }
}

/// The faults in force; they can be changed while the server runs.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// Adds a fault. Several that fit one operation all strike it.
    pub fn inject(&self, fault: Fault) {
        self.lock().push(fault);
    }

    /// The server behaves again.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// How many faults have not struck yet, those that always do included: 0 proves that a test's fault
    /// struck.
    pub fn pending(&self) -> usize {
        self.lock().len()
    }

    /// What goes wrong in this page of a search.
    pub(crate) fn for_search(&self, page: usize, filter: &str, attributes: &[String]) -> Vec<Misbehaviour> {
        let filter = filter.to_lowercase();
        self.strike(|fault| {
            let on_page = fault.page.is_none_or(|wanted| wanted == page);
            let mentioned = fault.mentioning.as_ref().is_none_or(|text| filter.contains(text));
            let asked = fault
                .asking
                .as_ref()
                .is_none_or(|text| attributes.iter().any(|attribute| attribute.contains(text)));
            match &fault.kind {
                Kind::Search(misbehaviour) if on_page && mentioned && asked => Some(misbehaviour.clone()),
                _ => None,
            }
        })
    }

    /// What goes wrong with this bind.
    pub(crate) fn for_bind(&self) -> Option<Refusal> {
        self.strike(|fault| if let Kind::Bind(refusal) = &fault.kind { Some(refusal.clone()) } else { None })
            .pop()
    }

    /// What goes wrong with this StartTLS.
    pub(crate) fn for_start_tls(&self) -> Option<Refusal> {
        self.strike(
            |fault| if let Kind::StartTls(refusal) = &fault.kind { Some(refusal.clone()) } else { None },
        )
        .pop()
    }

    /// Takes what fits; what fits only once is gone then.
    fn strike<T>(&self, fits: impl Fn(&Fault) -> Option<T>) -> Vec<T> {
        let mut struck = Vec::new();
        self.lock().retain(|fault| match fits(fault) {
            Some(effect) => {
                struck.push(effect);
                fault.always
            }
            None => true,
        });
        struck
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
