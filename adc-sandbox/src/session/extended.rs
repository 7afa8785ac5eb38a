//! Extended operations: StartTLS (RFC 4511, section 4.14) and "Who am I?" (RFC 4532).

use super::{Session, refuse_critical};
use crate::ResultCode;
use crate::faults::Refusal;
use crate::journal::Operation as Logged;
use crate::response::{Response, Step};
use crate::root_dse::{START_TLS, WHO_AM_I};
use crate::wire::{self, Answer, Control};

impl Session {
    pub(super) fn extended(&mut self, id: i32, name: &str, controls: &[Control]) {
        self.shared.recorder.log(Logged::Extended(name.to_owned()));
        if let Err(refusal) = refuse_critical(controls, &[]) {
            return self.send(id, wire::extended(id, refusal, None, None));
        }
        match name {
            WHO_AM_I => self.who_am_i(id),
            START_TLS => self.start_tls(id),
            _ => {
                let answer = Answer::new(ResultCode::ProtocolError, "unsupported extended operation");
                self.send(id, wire::extended(id, answer, None, None));
            }
        }
    }

    fn who_am_i(&mut self, id: i32) {
        let identity = self.identity.as_ref().map_or(String::new(), |dn| format!("dn:{dn}"));
        self.send(id, wire::extended(id, Answer::success(), None, Some(identity.into_bytes())));
    }

    fn start_tls(&mut self, id: i32) {
        let answered = |answer| Step::Send(wire::extended(id, answer, Some(START_TLS), None));
        let refused = |code, message: &str| Response::of(id, [answered(Answer::new(code, message))]);
        let response = match self.shared.faults.for_start_tls() {
            Some(Refusal::Stall) => return,
            Some(Refusal::Answer(code, message)) => refused(code, &message),
            None if !self.offers_start_tls => {
                refused(ResultCode::ProtocolError, "StartTLS is not available here")
            }
            None if !self.responses.is_empty() => {
                refused(ResultCode::OperationsError, "other operations of this connection are still running")
            }
            None => {
                self.expects_tls = true;
                Response::of(id, [answered(Answer::success()), Step::StartTls])
            }
        };
        self.respond(response);
    }
}
