//! The socket: how large its buffer really is, when a datagram came, and how many the kernel had no room for.
//!
//! Linux stamps a datagram when it takes it from the network (`SO_TIMESTAMPNS`), by the wall clock: however late it is read, and
//! however many wait before it, that is when it came; but for those of the first milliseconds, until the kernel heeds it. Elsewhere, and
//! where a kernel has no such stamps, it is stamped when it is read. Linux tells per socket how many it threw away, too
//! (`/proc/net/udp`, the column `drops`); elsewhere nobody does.

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
    /// When it came, by the host's wall clock.
    pub(super) arrived: Timestamp,
}

/// A UDP socket that is read with time-outs.
#[derive(Debug)]
pub(super) struct Socket {
    inner: UdpSocket,
    /// Room for what the kernel says of a datagram.
    #[cfg(target_os = "linux")]
    said: Vec<u8>,
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
        #[cfg(target_os = "linux")]
        ask_for_stamps(&socket)?;
        let socket = Self {
            inner: socket.into(),
            #[cfg(target_os = "linux")]
            said: nix::cmsg_space!(nix::sys::time::TimeSpec),
        };
        Ok((socket, granted))
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
    pub(super) fn receive(&mut self, buffer: &mut [u8], patience: Duration) -> io::Result<Option<Received>> {
        // A time-out of zero would mean for ever.
        self.inner.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
        match self.read(buffer) {
            Ok(received) => Ok(Some(received)),
            // A refused datagram that was sent from this socket's port is nobody's business here.
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionRefused) => Ok(None),
            Err(e) => Err(e),
        }
    }

    #[cfg(target_os = "linux")]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
        use std::os::fd::AsRawFd;

        let mut into = [io::IoSliceMut::new(buffer)];
        let (socket, said) = (self.inner.as_raw_fd(), Some(self.said.as_mut_slice()));
        let message = recvmsg::<SockaddrStorage>(socket, &mut into, said, MsgFlags::empty())?;
        let stamp = message.cmsgs()?.find_map(|said| match said {
            ControlMessageOwned::ScmTimestampns(t) => {
                Some(Timestamp::from_nanos(t.tv_sec() * 1_000_000_000 + t.tv_nsec()))
            }
            _ => None,
        });
        let from = message.address.as_ref().and_then(|from| {
            let v4 = from.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or_else(|| from.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        });
        let from = from.ok_or_else(|| io::Error::other("a datagram from no address"))?;
        Ok(Received { bytes: message.bytes, from, arrived: stamp.unwrap_or_else(now) })
    }

    #[cfg(not(target_os = "linux"))]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let (bytes, from) = self.inner.recv_from(buffer)?;
        Ok(Received { bytes, from: from.ip(), arrived: now() })
    }

    /// Datagrams the kernel had no room for since the socket was made; `None` where it does not say.
    pub(super) fn dropped(&self) -> Option<u64> {
        let address = self.address().ok()?;
        let table = if address.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
        dropped_in(&std::fs::read_to_string(table).ok()?, address.port())
    }
}

/// Asks the kernel to stamp what comes. One that has no such stamps (a kernel in user space, an emulator) is no reason to hear nothing:
/// datagrams are stamped when they are read, then.
#[cfg(target_os = "linux")]
fn ask_for_stamps(socket: &socket2::Socket) -> io::Result<()> {
    match nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::ReceiveTimestampns, &true) {
        Err(nix::errno::Errno::ENOPROTOOPT) => Ok(()),
        asked => Ok(asked?),
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
    #[cfg(target_os = "linux")]
    fn a_datagram_is_stamped_when_it_comes_and_not_when_it_is_read() {
        let (mut socket, _) = Socket::bind("127.0.0.1:0".parse().unwrap(), 1 << 16).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut stamped_as_they_came = || {
            let before = now();
            for n in 0..3_u8 {
                sender.send_to(&[n], socket.address().unwrap()).unwrap();
            }
            let sent = now();
            std::thread::sleep(Duration::from_millis(100));
            let mut buffer = [0; 16];
            let stamped = [0, 1, 2].map(|n| {
                let received = socket.receive(&mut buffer, Duration::from_secs(1)).unwrap().unwrap();
                assert_eq!((received.bytes, buffer[0], received.from), (1, n, "127.0.0.1".parse::<IpAddr>().unwrap()));
                before <= received.arrived && received.arrived <= sent
            });
            assert!(socket.receive(&mut buffer, Duration::from_millis(1)).unwrap().is_none());
            stamped == [true; 3]
        };
        // The kernel begins to stamp some milliseconds after it is asked; until then a datagram's time is that of its reading.
        assert!((0..30).any(|_| stamped_as_they_came()));
    }

    #[test]
    fn the_kernels_table_is_read_by_port() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            \x20 100: 00000000:0940 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12 2 0000000000000000 42\n";
        assert_eq!((dropped_in(table, 2368), dropped_in(table, 2369)), (Some(42), None));
    }
}
