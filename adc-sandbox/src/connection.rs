//! The thin shell around a session: bytes in, bytes out, TLS in between.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, WriteHalf, split};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::response::Step;
use crate::server::{Security, Shared};
use crate::session::Session;
use crate::wire;

/// How much output is prepared ahead of what the client has read: enough to keep the socket busy, little
/// enough that an abandoned search stops soon.
const OUTPUT_AHEAD_BYTES: usize = 256 << 10;

/// Why the conversation over one stream ended.
enum End<S> {
    Closed,
    StartTls(S),
}

/// Serves one client until either side ends it.
pub(crate) async fn serve(socket: TcpStream, security: &Security, shared: Arc<Shared>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let offered = if let Security::StartTls(config) = security { Some(config) } else { None };
    let mut session = Session::new(shared, offered.is_some());
    if let Security::Ldaps(config) = security {
        let stream = accept(config, socket).await?;
        return converse(stream, &mut session).await.map(drop);
    }
    match (converse(socket, &mut session).await?, offered) {
        (End::StartTls(socket), Some(config)) => {
            session.secured();
            let stream = accept(config, socket).await?;
            converse(stream, &mut session).await.map(drop)
        }
        _ => Ok(()),
    }
}

async fn accept(
    config: &Arc<ServerConfig>,
    socket: TcpStream,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    TlsAcceptor::from(Arc::clone(config)).accept(socket).await
}

/// Reads and writes at the same time, so that a client can abandon what it is being sent.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(stream: S, session: &mut Session) -> io::Result<End<S>> {
    let (mut reader, mut writer) = split(stream);
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let mut unsent = false;
    loop {
        while output.len() < OUTPUT_AHEAD_BYTES {
            match session.next() {
                Some(Step::Send(message) | Step::SendEntry(message)) => {
                    output.extend_from_slice(&message);
                    unsent = true;
                }
                Some(Step::StartTls) => {
                    writer.write_all(&output).await?;
                    writer.flush().await?;
                    // A client that went on talking in plain text is no client to shake hands with.
                    return Ok(if input.is_empty() {
                        End::StartTls(reader.unsplit(writer))
                    } else {
                        End::Closed
                    });
                }
                Some(Step::Drop) => {
                    writer.write_all(&output).await?;
                    writer.flush().await?;
                    return Ok(End::Closed);
                }
                None => break,
            }
        }
        tokio::select! {
            read = reader.read_buf(&mut input) => {
                if read? == 0 {
                    return Ok(End::Closed);
                }
                receive(&mut input, session);
            }
            sent = send(&mut writer, &mut output), if unsent => {
                sent?;
                unsent = !output.is_empty();
            }
        }
    }
}

fn receive(input: &mut BytesMut, session: &mut Session) {
    while !session.expects_tls() {
        match wire::decode(input) {
            Ok(Some(request)) => session.receive(request),
            Ok(None) => return,
            Err(error) => {
                input.clear();
                return session.reject(&error);
            }
        }
    }
}

/// Sends some of the output. May be given up at any point: what was not written is still in `output`, and
/// what TLS still buffers goes with the next call.
async fn send<S: AsyncWrite>(writer: &mut WriteHalf<S>, output: &mut BytesMut) -> io::Result<()> {
    if !output.is_empty() {
        writer.write_buf(output).await?;
    }
    writer.flush().await
}
