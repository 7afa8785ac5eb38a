//! A server that plays a script: what no real one would say.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// BER, in lengths of one byte or two.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).expect("short enough").to_be_bytes();
    let header = if high == 0 && low < 0x80 { vec![tag, low] } else { vec![tag, 0x82, high, low] };
    [header, content.to_vec()].concat()
}

pub(crate) fn octets(text: impl AsRef<[u8]>) -> Vec<u8> {
    element(4, text.as_ref())
}

/// What a message says, without its number, and its controls.
pub(crate) type Said = (Vec<u8>, Vec<u8>);

pub(crate) fn control(oid: &str, value: &[u8]) -> Vec<u8> {
    element(0xa0, &element(0x30, &[octets(oid), octets(value)].concat()))
}

pub(crate) fn entry(attributes: &[(&str, &[&str])], controls: Vec<u8>) -> Said {
    object("", attributes, controls)
}

pub(crate) fn object(dn: &str, attributes: &[(&str, &[&str])], controls: Vec<u8>) -> Said {
    let attributes = attributes.iter().flat_map(|(name, values)| {
        let values: Vec<u8> = values.iter().flat_map(octets).collect();
        element(0x30, &[octets(name), element(0x31, &values)].concat())
    });
    (element(0x64, &[octets(dn), element(0x30, &attributes.collect::<Vec<u8>>())].concat()), controls)
}

pub(crate) fn result(tag: u8, code: u32, controls: Vec<u8>) -> Said {
    let code = code.to_be_bytes();
    (element(tag, &[element(10, &code), octets(""), octets("")].concat()), controls)
}

pub(crate) fn end(code: u32) -> Said {
    result(0x65, code, Vec::new())
}

/// What was asked, in the order in which it was.
pub(crate) type Requests = Arc<Mutex<Vec<Vec<u8>>>>;

/// Answers requests with these, one after the other, and hangs up then; returns its address, and what it is asked.
pub(crate) async fn play(script: Vec<Vec<Said>>) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ldap://{}", listener.local_addr().expect("bound"));
    let requests = Requests::default();
    let noted = requests.clone();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = vec![0; 4_096];
        // The number 1 is kept for StartTLS.
        for (number, answers) in (2_u16..).zip(script) {
            // Nothing more is asked before everything is answered: one request comes at a time.
            let length = stream.read(&mut request).await.expect("a request");
            if length == 0 {
                return;
            }
            noted.lock().expect("nobody panics").push(request[..length].to_vec());
            for (operation, controls) in answers {
                let number = element(2, &number.to_be_bytes());
                let message = element(0x30, &[number, operation, controls].concat());
                stream.write_all(&message).await.expect("is taken");
            }
        }
    });
    (url, requests)
}
