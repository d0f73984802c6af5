//! The socket: how large its buffer really is, and how many datagrams the kernel had no room for.
//!
//! A datagram is stamped when it is read, by the wall clock. Linux tells per socket how many it threw away (`/proc/net/udp`, the
//! column `drops`); elsewhere nobody does.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ocellus_percept::time::Timestamp;
use socket2::{Domain, Protocol, Type};

/// A datagram as it was received.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    /// Its length, at most that of the buffer.
    pub(super) bytes: usize,
    /// Who sent it.
    pub(super) from: IpAddr,
    /// When it was read, by the host's wall clock.
    pub(super) arrived: Timestamp,
}

/// A UDP socket that is read with time-outs.
#[derive(Debug)]
pub(super) struct Socket {
    inner: UdpSocket,
}

impl Socket {
    /// Binds, and asks for a buffer of `buffer_bytes`; the size the kernel grants is returned with the socket.
    pub(super) fn bind(address: SocketAddr, buffer_bytes: usize) -> io::Result<(Self, usize)> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(buffer_bytes)?;
        let told = socket.recv_buffer_size()?;
        // Linux doubles what is asked, for its own books, and tells the double.
        let granted = if cfg!(target_os = "linux") { told / 2 } else { told };
        socket.bind(&address.into())?;
        Ok((Self { inner: socket.into() }, granted))
    }

    /// The address bound to.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Listens to a group besides.
    pub(super) fn join(&self, group: IpAddr) -> io::Result<()> {
        match group {
            IpAddr::V4(group) => self.inner.join_multicast_v4(&group, &std::net::Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(group) => self.inner.join_multicast_v6(&group, 0),
        }
    }

    /// The next datagram; `None` where none came in time.
    pub(super) fn receive(&self, buffer: &mut [u8], patience: Duration) -> io::Result<Option<Received>> {
        // A time-out of zero would mean for ever.
        self.inner.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
        match self.inner.recv_from(buffer) {
            Ok((bytes, from)) => Ok(Some(Received { bytes, from: from.ip(), arrived: now() })),
            // A refused datagram that was sent from this socket's port is nobody's business here.
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionRefused) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Datagrams the kernel had no room for since the socket was made; `None` where it does not say.
    pub(super) fn dropped(&self) -> Option<u64> {
        let address = self.address().ok()?;
        let table = if address.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
        dropped_in(&std::fs::read_to_string(table).ok()?, address.port())
    }
}

/// The last column of the row of `port` in the kernel's table.
fn dropped_in(table: &str, port: u16) -> Option<u64> {
    let local = format!(":{port:04X}");
    let row = table.lines().find(|line| line.split_whitespace().nth(1).is_some_and(|l| l.ends_with(&local)))?;
    row.split_whitespace().next_back()?.parse().ok()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read_by_port() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            \x20 100: 00000000:0940 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12 2 0000000000000000 42\n";
        assert_eq!((dropped_in(table, 2368), dropped_in(table, 2369)), (Some(42), None));
    }
}
