//! A client that looks at the bytes: for messages that no decent client survives, and requests that none
//! sends.

use std::time::Duration;

use adc_sandbox::{Sandbox, sample};
use bytes::{Buf, BytesMut};
use ldap3_lber::parse::{DEFAULT_MAX_BER_DEPTH, Parser};
use ldap3_lber::structure::StructureTag;
use ldap3_lber::write::encode_into;
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapDerefAliases, LdapExtendedRequest, LdapFilter, LdapMsg, LdapOp,
    LdapSearchRequest, LdapSearchScope, OID_WHOAMI,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any answer takes; only a broken server lets a test wait for it.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Raw {
    stream: TcpStream,
    input: BytesMut,
    last_id: i32,
}

impl Raw {
    pub(crate) async fn connect(sandbox: &Sandbox) -> Raw {
        let stream = TcpStream::connect(sandbox.addr()).await.expect("the server listens");
        Raw { stream, input: BytesMut::new(), last_id: 0 }
    }

    /// A connection of the bind account.
    pub(crate) async fn bound(sandbox: &Sandbox) -> Raw {
        let mut raw = Raw::connect(sandbox).await;
        raw.send(bind(sample::READONLY_DN, sample::READONLY_PASSWORD)).await;
        let LdapOp::BindResponse(response) = raw.receive().await.op else { panic!("no bind response") };
        assert_eq!(response.res.code, adc_sandbox::ResultCode::Success);
        raw
    }

    /// Sends a request and answers its message id.
    pub(crate) async fn send(&mut self, operation: LdapOp) -> i32 {
        let bytes = self.encode(operation);
        self.send_bytes(&bytes).await;
        self.last_id
    }

    /// Sends several requests as one piece.
    pub(crate) async fn send_together(&mut self, operations: impl IntoIterator<Item = LdapOp>) {
        let bytes: Vec<u8> = operations.into_iter().flat_map(|operation| self.encode(operation)).collect();
        self.send_bytes(&bytes).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next message, decoded.
    pub(crate) async fn receive(&mut self) -> LdapMsg {
        LdapMsg::try_from(self.receive_tag().await).expect("a well-formed message")
    }

    /// The next message, as far as its outer length is to be believed.
    pub(crate) async fn receive_tag(&mut self) -> StructureTag {
        loop {
            let parsed = Parser::new(DEFAULT_MAX_BER_DEPTH)
                .parse(&self.input)
                .map(|(rest, tag)| (self.input.len() - rest.len(), tag));
            if let Ok((length, tag)) = parsed {
                self.input.advance(length);
                return tag;
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await;
            assert_ne!(read.expect("the server answers").unwrap(), 0, "the server closed the connection");
        }
    }

    /// Everything that still comes, until the server closes the connection.
    pub(crate) async fn rest(mut self) -> BytesMut {
        let read = async { while self.stream.read_buf(&mut self.input).await.unwrap() > 0 {} };
        tokio::time::timeout(PATIENCE, read).await.expect("the server closes the connection");
        self.input
    }

    fn encode(&mut self, operation: LdapOp) -> BytesMut {
        self.last_id += 1;
        let mut bytes = BytesMut::new();
        encode_into(&mut bytes, StructureTag::from(LdapMsg::new(self.last_id, operation))).unwrap();
        bytes
    }
}

pub(crate) fn bind(dn: &str, password: &str) -> LdapOp {
    let cred = LdapBindCred::Simple(password.to_owned());
    LdapOp::BindRequest(LdapBindRequest { version: 3, dn: dn.to_owned(), cred })
}

pub(crate) fn who_am_i() -> LdapOp {
    LdapOp::ExtendedRequest(LdapExtendedRequest { name: OID_WHOAMI.to_owned(), value: None })
}

/// A search for all people, whole entries.
pub(crate) fn people() -> LdapOp {
    LdapOp::SearchRequest(LdapSearchRequest {
        base: sample::BASE_DN.to_owned(),
        scope: LdapSearchScope::Subtree,
        aliases: LdapDerefAliases::Never,
        sizelimit: 0,
        timelimit: 0,
        typesonly: false,
        filter: LdapFilter::Equality("objectClass".to_owned(), "inetOrgPerson".to_owned()),
        attrs: Vec::new(),
    })
}
