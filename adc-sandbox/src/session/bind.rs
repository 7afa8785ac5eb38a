//! Bind (RFC 4511, section 4.2; RFC 4513, section 5.1).

use adc_core::dn::Dn;
use ldap3_proto::proto::{LdapBindCred, LdapBindRequest};

use super::{Session, refuse_critical};
use crate::ResultCode;
use crate::faults::Refusal;
use crate::journal::Operation as Logged;
use crate::wire::{self, Answer, Control};

impl Session {
    /// Every bind, a refused one too, ends what was bound and paged before it on the connection.
    pub(super) fn bind(&mut self, id: i32, request: &LdapBindRequest, controls: &[Control]) {
        self.paging.clear();
        self.identity = None;
        let dn = request.dn.clone();
        let answer = match self.shared.faults.for_bind() {
            Some(Refusal::Stall) => return self.shared.recorder.log(Logged::Bind { dn, answer: None }),
            Some(Refusal::Answer(code, message)) => Answer::new(code, message),
            None => self.authenticate(request, controls).err().unwrap_or_else(Answer::success),
        };
        self.shared.recorder.log(Logged::Bind { dn, answer: Some(answer.code.clone()) });
        self.send(id, wire::bind(id, answer));
    }

    fn authenticate(&mut self, request: &LdapBindRequest, controls: &[Control]) -> Result<(), Answer> {
        refuse_critical(controls, &[])?;
        if request.version != 3 {
            return Err(Answer::new(ResultCode::ProtocolError, "only LDAP version 3 is spoken here"));
        }
        let LdapBindCred::Simple(password) = &request.cred else {
            return Err(Answer::new(ResultCode::AuthMethodNotSupported, "only simple binds are supported"));
        };
        let dn =
            Dn::parse(&request.dn).map_err(|_| Answer::new(ResultCode::InvalidDNSyntax, "invalid DN"))?;
        // Without a password the bind is anonymous, whatever name it gives (RFC 4513, section 5.1.2). Many
        // servers answer success all the same, and so does this one: a client must not take that for a proof
        // of anything.
        if password.is_empty() {
            return Ok(());
        }
        // The same words whether the name or the password is wrong.
        let refusal = || Answer::new(ResultCode::InvalidCredentials, "");
        let identity = self.shared.directory().authenticate(&dn, password).map(str::to_owned);
        self.identity = Some(identity.ok_or_else(refusal)?);
        Ok(())
    }
}
