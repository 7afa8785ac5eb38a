//! What one connection is answered, free of IO: requests go in, steps come out. One file per operation.

mod bind;
mod extended;
mod search;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use ldap3_proto::proto::{LdapOp, LdapResult};

use crate::ResultCode;
use crate::journal::Operation as Logged;
use crate::paging::Paging;
use crate::response::{Response, Step};
use crate::server::Shared;
use crate::wire::{self, Answer, Control, Operation, Request, WireError};

/// One connection: who is bound, which paged searches are open, what is still to be sent.
#[derive(Debug)]
pub(crate) struct Session {
    shared: Arc<Shared>,
    /// Whether StartTLS may still be asked for.
    offers_start_tls: bool,
    /// Whether StartTLS was granted and its handshake is to come.
    expects_tls: bool,
    /// The stored DN of who is bound; nobody is anonymous.
    identity: Option<String>,
    paging: Paging,
    responses: VecDeque<Response>,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, offers_start_tls: bool) -> Session {
        Session {
            shared,
            offers_start_tls,
            expects_tls: false,
            identity: None,
            paging: Paging::default(),
            responses: VecDeque::new(),
        }
    }

    /// Takes a request; what it is answered comes out of [`next`](Session::next).
    pub(crate) fn receive(&mut self, request: Request) {
        let Request { id, operation, controls } = request;
        let operation = match operation {
            Operation::Search(search) => return self.search(id, &search, &controls),
            Operation::Other(operation) => operation,
        };
        match operation {
            LdapOp::BindRequest(request) => self.bind(id, &request, &controls),
            LdapOp::ExtendedRequest(request) => self.extended(id, &request.name, &controls),
            LdapOp::AbandonRequest(abandoned) => self.abandon(abandoned),
            LdapOp::UnbindRequest => self.unbind(id),
            LdapOp::AddRequest(_) => self.refuse(id, "add", LdapOp::AddResponse),
            LdapOp::ModifyRequest(_) => self.refuse(id, "modify", LdapOp::ModifyResponse),
            LdapOp::DelRequest(_) => self.refuse(id, "delete", LdapOp::DelResponse),
            LdapOp::ModifyDNRequest(_) => self.refuse(id, "rename", LdapOp::ModifyDNResponse),
            LdapOp::CompareRequest(_) => self.refuse(id, "compare", LdapOp::CompareResult),
            _ => self.reject(&WireError::Malformed("request: it is a response")),
        }
    }

    /// Takes bytes that are no request: a notice of disconnection, and the end.
    pub(crate) fn reject(&mut self, error: &WireError) {
        let notice = wire::disconnection(Answer::new(ResultCode::ProtocolError, error.to_string()));
        self.respond(Response::of(0, [Step::Send(notice), Step::Drop]));
    }

    /// The next step to take; `None` while there is nothing to do but wait for a request.
    pub(crate) fn next(&mut self) -> Option<Step> {
        loop {
            match self.responses.front_mut()?.next() {
                None => {
                    self.responses.pop_front();
                }
                Some(step) => {
                    if matches!(step, Step::SendEntry(_)) {
                        self.shared.recorder.record(|journal| journal.entries += 1);
                    }
                    return Some(step);
                }
            }
        }
    }

    /// Whether no more requests may be taken until the connection is secured: what comes before the handshake
    /// came in plain text and must not count as said inside it.
    pub(crate) fn expects_tls(&self) -> bool {
        self.expects_tls
    }

    /// The connection speaks TLS from now on; who was bound stays bound.
    pub(crate) fn secured(&mut self) {
        (self.offers_start_tls, self.expects_tls) = (false, false);
    }

    fn abandon(&mut self, id: i32) {
        self.shared.recorder.log(Logged::Abandon);
        self.responses.retain(|response| response.id != id);
    }

    fn unbind(&mut self, id: i32) {
        self.shared.recorder.log(Logged::Unbind);
        self.respond(Response::of(id, [Step::Drop]));
    }

    /// Over the wire the directory is read-only; see the methods of [`Directory`](crate::Directory).
    fn refuse(&mut self, id: i32, name: &'static str, response: fn(LdapResult) -> LdapOp) {
        self.shared.recorder.log(Logged::Refused(name));
        let answer =
            Answer::new(ResultCode::UnwillingToPerform, "this directory only answers binds and searches");
        self.send(id, wire::plain(id, answer, response));
    }

    fn send(&mut self, id: i32, message: Bytes) {
        self.respond(Response::of(id, [Step::Send(message)]));
    }

    fn respond(&mut self, response: Response) {
        self.responses.push_back(response);
    }
}

/// The refusal of a request that insists on a control which means nothing to its operation (RFC 4511,
/// 4.1.11).
fn refuse_critical(controls: &[Control], supported: &[&str]) -> Result<(), Answer> {
    match controls.iter().find(|control| control.critical && !supported.contains(&control.oid.as_str())) {
        Some(control) => Err(Answer::new(
            ResultCode::UnavailableCriticalExtension,
            format!("critical control {} is not supported", control.oid),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
