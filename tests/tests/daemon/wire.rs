//! What stands between agent and control plane in a test: a wire that can be frozen, and control planes that say anything.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept_hdr};

/// The subprotocol of the link.
const SUBPROTOCOL: &str = "adc.v1";

/// A wire to a server, of which all connections can be made to forward nothing any more without being closed.
pub(crate) struct Wire {
    at: SocketAddr,
    frozen: Arc<(Mutex<bool>, Condvar)>,
}

impl Wire {
    /// A wire to the server at `url`.
    pub(crate) fn to(url: &str) -> Self {
        Self::between(IpAddr::from(Ipv4Addr::LOCALHOST), url)
    }

    /// A wire to the server at `url` that begins at an IPv6 address.
    pub(crate) fn over_ipv6_to(url: &str) -> Self {
        Self::between(IpAddr::from(Ipv6Addr::LOCALHOST), url)
    }

    fn between(host: IpAddr, url: &str) -> Self {
        let server: SocketAddr = url.trim_start_matches("http://").parse().expect("an address");
        let listener = TcpListener::bind((host, 0)).expect("loopback has a free port");
        let at = listener.local_addr().expect("it is bound");
        let frozen = Arc::new((Mutex::new(false), Condvar::new()));
        let wire = Self { at, frozen: Arc::clone(&frozen) };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(server) else { continue };
                forward(&client, &server, &frozen);
                forward(&server, &client, &frozen);
            }
        });
        wire
    }

    /// What the agent calls the control plane.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// Forwards nothing from now on; connections are taken, and stay as they are.
    pub(crate) fn freeze(&self) {
        *self.frozen.0.lock().expect("no thread panics with it") = true;
    }

    /// Forwards what has waited.
    pub(crate) fn thaw(&self) {
        *self.frozen.0.lock().expect("no thread panics with it") = false;
        self.frozen.1.notify_all();
    }
}

fn forward(from: &TcpStream, to: &TcpStream, frozen: &Arc<(Mutex<bool>, Condvar)>) {
    let (mut from, mut to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
    let frozen = Arc::clone(frozen);
    thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let (lock, thawed) = &*frozen;
            let held = lock.lock().expect("no thread panics with it");
            drop(thawed.wait_while(held, |frozen| *frozen).expect("no thread panics with it"));
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // The other side may have closed already.
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// A control plane of the test's own making.
pub(crate) struct Impostor(TcpListener);

impl Impostor {
    pub(crate) fn start() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port"))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("it is bound"))
    }

    /// Takes the next connection, and says nothing.
    pub(crate) fn accept(&self) -> TcpStream {
        self.0.accept().expect("somebody connects").0
    }

    /// Answers the next request with this, whatever it is.
    pub(crate) fn answer(&self, answer: &str) {
        let mut stream = self.accept();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
            request.push(byte[0]);
        }
        stream.write_all(answer.as_bytes()).expect("the request was read");
    }

    /// Takes the next link, and hears its hello.
    pub(crate) fn link(&self) -> Link {
        self.link_with_hello().0
    }

    /// Takes the next link; returns the agent's hello too.
    pub(crate) fn link_with_hello(&self) -> (Link, String) {
        #[expect(clippy::result_large_err, reason = "the library's own signature")]
        let choose = |_: &Request, mut response: Response| {
            response.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().expect("a word"));
            Ok(response)
        };
        let mut link = Link(accept_hdr(self.accept(), choose).expect("a websocket"));
        let hello = link.hear();
        assert!(hello.contains(r#""type":"hello""#), "{hello}");
        (link, hello)
    }
}

/// A link, at the control plane's end.
pub(crate) struct Link(WebSocket<TcpStream>);

impl Link {
    /// Welcomes the agent; it takes the link for dead after so many seconds of silence.
    pub(crate) fn welcome(&mut self, deadline: u64) {
        self.say(&format!(
            r#"{{"type":"welcome","version":"0.1.0","ping_seconds":1,"deadline_seconds":{deadline}}}"#
        ));
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.send(Message::text(text));
    }

    pub(crate) fn send(&mut self, message: Message) {
        self.0.send(message).expect("the agent is there");
    }

    /// The agent's next message but those about its directory.
    #[track_caller]
    pub(crate) fn hear(&mut self) -> String {
        loop {
            match self.0.read().expect("the agent says something") {
                Message::Text(text) if !text.contains(r#""type":"directory""#) => return text.to_string(),
                Message::Close(frame) => panic!("the agent closed the link: {frame:?}"),
                _ => {}
            }
        }
    }
}
