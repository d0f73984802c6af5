//! A small HTTP server for figures: `/health`, `/metrics`. GET only, one connection after another, bounded in bytes and
//! time, so that whoever asks cannot hold anything up.
//!
//! [`HttpServer::serve_pending`] answers those who wait and returns; which thread calls it, and how often, is the caller's
//! business. Deliberately absent: keep-alive, TLS, authorisation. Bind it to loopback unless the network is trusted.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use thiserror::Error;

/// Longest request that is read: a line and a browser's headers.
const REQUEST_BYTES_MAX: usize = 8192;
/// A client that is slower than this is not waited for.
const CLIENT_PATIENCE: Duration = Duration::from_millis(500);
/// Clients answered at one call.
const CLIENTS_MAX: usize = 16;

/// The server cannot listen.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {source}; choose another address or port")]
pub struct HttpError {
    /// Where it was to listen.
    pub address: SocketAddr,
    /// The operating system's reason.
    pub source: io::Error,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200, 404, 503, ...
    pub status: u16,
    /// Of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Response {
    /// There is no such page.
    pub fn not_found() -> Self {
        Self { status: 404, content_type: "text/plain", body: "not found; ask for /health or /metrics\n".to_owned() }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            404 => "Not Found",
            405 => "Method Not Allowed",
            503 => "Service Unavailable",
            _ => "Bad Request",
        };
        let (status, kind, length) = (self.status, self.content_type, self.body.len());
        let head = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        [head.as_bytes(), self.body.as_bytes()].concat()
    }
}

/// A listening server.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
}

impl HttpServer {
    /// Listens on `address`.
    ///
    /// # Errors
    /// The address is taken, or not ours.
    pub fn bind(address: SocketAddr) -> Result<Self, HttpError> {
        let failed = |source| HttpError { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self { listener })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers those who wait now; returns at once where nobody does. `answer` is given the path asked for.
    pub fn serve_pending(&self, answer: &mut dyn FnMut(&str) -> Response) {
        for _ in 0..CLIENTS_MAX {
            let Ok((client, _)) = self.listener.accept() else { return };
            // A client that goes away or says nothing sensible is its own affair.
            drop(serve(client, answer));
        }
    }
}

fn serve(mut client: TcpStream, answer: &mut dyn FnMut(&str) -> Response) -> io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_write_timeout(Some(CLIENT_PATIENCE))?;
    let request = read_request(&mut client)?;
    let line = request.split(|b| *b == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    let plain = |status, body: &str| Response { status, content_type: "text/plain", body: body.to_owned() };
    let response = match (words.next(), words.next()) {
        (Some("GET"), Some(path)) => answer(path.split('?').next().unwrap_or(path)),
        (Some(_), Some(_)) => plain(405, "only GET\n"),
        _ => plain(400, "no request\n"),
    };
    client.write_all(&response.to_bytes())
}

/// Reads to the end of the headers, the limit, or the end of patience.
fn read_request(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let until = Instant::now() + CLIENT_PATIENCE;
    let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
    while request.len() < REQUEST_BYTES_MAX && !request.windows(4).any(|w| w == b"\r\n\r\n") {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        client.set_read_timeout(Some(left))?;
        match client.read(&mut buffer)? {
            0 => break,
            n => request.extend_from_slice(buffer.get(..n).unwrap_or_default()),
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(server: &HttpServer, request: &[u8]) -> String {
        let mut client = TcpStream::connect(server.address().unwrap()).unwrap();
        client.write_all(request).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        server.serve_pending(&mut |path| match path {
            "/health" => Response { status: 200, content_type: "text/plain", body: "well".to_owned() },
            _ => Response::not_found(),
        });
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn pages_are_answered_and_everything_else_is_refused() {
        let server = HttpServer::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let well = ask(&server, b"GET /health?x=1 HTTP/1.1\r\nHost: here\r\n\r\n");
        assert!(well.starts_with("HTTP/1.1 200 OK\r\n") && well.ends_with("\r\n\r\nwell"), "{well}");
        assert!(ask(&server, b"GET /other HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(ask(&server, b"POST /health HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
        assert!(ask(&server, b"\xff\xfe").starts_with("HTTP/1.1 400"));
        server.serve_pending(&mut |_| Response::not_found());
    }

    #[test]
    fn an_address_that_is_taken_is_named() {
        let first = HttpServer::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = HttpServer::bind(first.address().unwrap()).unwrap_err();
        assert!(error.to_string().contains(&first.address().unwrap().to_string()), "{error}");
    }
}
