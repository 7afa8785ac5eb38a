//! An HTTP server that says what it is told to say, one answer a request.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What is said to a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A whole response.
    Whole { status: u16, retry_after: Option<u64>, body: String },
    /// Nothing: the connection is closed after the request came.
    Lost,
    /// Half a response, then the connection is closed.
    Cut,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) encoding: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// The server; it stops when it is dropped.
pub(crate) struct Script {
    address: SocketAddr,
    scheme: &'static str,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::Whole { status, retry_after: None, body: body.to_owned() }
    }

    pub(crate) fn retry(status: u16, after: u64) -> Self {
        Self::Whole { status, retry_after: Some(after), body: String::new() }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Lost => Vec::new(),
            Self::Cut => b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec(),
            Self::Whole { status, retry_after, body } => {
                let retry = retry_after.map_or_else(String::new, |after| format!("retry-after: {after}\r\n"));
                let length = body.len();
                format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{retry}\r\n{body}").into_bytes()
            }
        }
    }
}

impl Script {
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::run(one_after_the_other(answers.into_iter().collect()), None).await
    }

    pub(crate) async fn start_tls(answers: impl IntoIterator<Item = Answer>, tls: Arc<ServerConfig>) -> Self {
        Self::run(one_after_the_other(answers.into_iter().collect()), Some(tls)).await
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("unpoisoned").clone()
    }

    /// Says to each request what `answer` makes of it.
    pub(crate) async fn answering(answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        Self::run(answer, None).await
    }

    async fn run(
        mut answer: impl FnMut(&Request) -> Answer + Send + 'static,
        tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("has one");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let heard = requests.clone();
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                match &tls {
                    None => serve(stream, &mut answer, &heard).await,
                    Some(tls) => {
                        // A client that does not trust us hangs up during the handshake.
                        if let Ok(stream) = TlsAcceptor::from(tls.clone()).accept(stream).await {
                            serve(stream, &mut answer, &heard).await;
                        }
                    }
                }
            }
        });
        Self { address, scheme, requests, task }
    }
}

impl Request {
    /// The body, unpacked.
    pub(crate) fn unpacked(&self) -> Vec<u8> {
        match self.encoding {
            Some(_) => zstd::decode_all(self.body.as_slice()).expect("zstd"),
            None => self.body.clone(),
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The answers, whatever is asked, and nothing after the last.
fn one_after_the_other(mut answers: VecDeque<Answer>) -> impl FnMut(&Request) -> Answer {
    move |_| answers.pop_front().unwrap_or(Answer::Lost)
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answer: &mut impl FnMut(&Request) -> Answer,
    heard: &Mutex<Vec<Request>>,
) {
    let Some(request) = read(&mut stream).await else { return };
    let answer = answer(&request);
    heard.lock().expect("unpoisoned").push(request);
    // A client that went away is part of the play.
    let _ = stream.write_all(&answer.bytes()).await;
    let _ = stream.shutdown().await;
}

/// The first byte of a TLS connection; an HTTP server answers it with an HTTP error.
const TLS_HANDSHAKE: u8 = 0x16;

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        (stream.read_buf(&mut bytes).await.ok()? > 0).then_some(())?;
        if bytes[0] == TLS_HANDSHAKE {
            return Some(Request { path: String::new(), authorization: None, encoding: None, body: bytes });
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).ok()?;
    let header = |name: &str| {
        let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let length: usize = header("content-length").map_or(Some(0), |length| length.parse().ok())?;
    while bytes.len() < head + length {
        (stream.read_buf(&mut bytes).await.ok()? > 0).then_some(())?;
    }
    Some(Request {
        path: text.split(' ').nth(1)?.to_owned(),
        authorization: header("authorization"),
        encoding: header("content-encoding"),
        body: bytes[head..].to_vec(),
    })
}
