//! Word to systemd (`sd_notify`): ready, alive, stopping. Silent where systemd did not start us.
//!
//! A message is a datagram to the socket that `NOTIFY_SOCKET` names. What cannot be sent is not tried again: systemd's own
//! time-out notices. With `WATCHDOG_USEC` set, word that we are alive goes out at least every half of that time, provided
//! that [`Systemd::alive`] is called more often.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The way to systemd.
#[derive(Debug, Default)]
pub struct Systemd {
    socket: Option<(UnixDatagram, Address)>,
    /// How often word is due.
    every: Option<Duration>,
    told_at: Option<Instant>,
}

/// Where systemd listens.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    /// A file.
    Path(PathBuf),
    /// A name in Linux's abstract space.
    #[cfg(target_os = "linux")]
    Abstract(String),
}

impl Address {
    /// What `NOTIFY_SOCKET` says; `None` where it is of a kind that is not known here.
    fn parse(text: &str) -> Option<Self> {
        match text.as_bytes().first()? {
            b'/' => Some(Self::Path(PathBuf::from(text))),
            #[cfg(target_os = "linux")]
            b'@' => Some(Self::Abstract(text[1..].to_owned())),
            _ => None,
        }
    }
}

impl Systemd {
    /// As the environment says.
    pub fn from_environment() -> Self {
        let text = std::env::var("NOTIFY_SOCKET").ok();
        let usec = std::env::var("WATCHDOG_USEC").ok().and_then(|usec| usec.parse().ok());
        Self::new(text.as_deref(), usec.map(Duration::from_micros))
    }

    /// To the socket called `address`; `watchdog` is the time after which systemd takes silence for death.
    pub fn new(address: Option<&str>, watchdog: Option<Duration>) -> Self {
        let address = address.and_then(Address::parse);
        let socket = address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address)));
        if let Some((socket, _)) = &socket {
            // A full socket must not hold us up.
            let _ = socket.set_nonblocking(true);
        }
        Self { socket, every: watchdog.map(|w| w / 2), told_at: None }
    }

    /// The service works.
    pub fn ready(&mut self) {
        self.send("READY=1");
    }

    /// The service works still. Call it often; word goes out when it is due.
    pub fn alive(&mut self) {
        if let Some(every) = self.every
            && self.told_at.is_none_or(|at| at.elapsed() >= every)
        {
            self.told_at = Some(Instant::now());
            self.send("WATCHDOG=1");
        }
    }

    /// The service ends in good order.
    pub fn stopping(&mut self) {
        self.send("STOPPING=1");
    }

    fn send(&self, message: &str) {
        let Some((socket, address)) = &self.socket else { return };
        let sent = match address {
            Address::Path(path) => socket.send_to(message.as_bytes(), path),
            #[cfg(target_os = "linux")]
            Address::Abstract(name) => {
                use std::os::linux::net::SocketAddrExt;
                std::os::unix::net::SocketAddr::from_abstract_name(name)
                    .and_then(|address| socket.send_to_addr(message.as_bytes(), &address))
            }
        };
        // Nobody to tell: systemd's time-out notices.
        drop(sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(socket: &UnixDatagram) -> Option<String> {
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    #[test]
    fn systemd_hears_ready_alive_when_due_and_stopping() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut systemd = Systemd::new(path.to_str(), Some(Duration::from_secs(3600)));
        systemd.ready();
        systemd.alive();
        systemd.alive();
        systemd.stopping();
        let heard: Vec<_> = std::iter::from_fn(|| receive(&listener)).collect();
        assert_eq!(heard, ["READY=1", "WATCHDOG=1", "STOPPING=1"]);
    }

    #[test]
    fn without_systemd_and_with_nobody_listening_nothing_happens() {
        for address in [None, Some(""), Some("relative"), Some("/nowhere/at/all"), Some("@nobody-listens-here")] {
            let mut systemd = Systemd::new(address, Some(Duration::ZERO));
            systemd.ready();
            systemd.alive();
            systemd.stopping();
        }
    }
}
