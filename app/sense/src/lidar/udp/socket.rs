//! The socket: how large its buffer really is, when the kernel got each datagram, and how many it threw away.
//!
//! On Linux the kernel stamps datagrams as they come (`SO_TIMESTAMPNS`) and counts those its buffer had no room for
//! (`SO_RXQ_OVFL`); elsewhere a datagram is stamped when it is read, and nothing is counted.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use ocellus_percept::time::Timestamp;

/// A datagram as it was received.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    /// Its length, at most that of the buffer.
    pub(super) bytes: usize,
    /// Who sent it.
    pub(super) from: Option<IpAddr>,
    /// When it came, by the host's wall clock.
    pub(super) arrived: Timestamp,
    /// Datagrams the kernel has thrown away until now; `None` where it does not say.
    pub(super) dropped: Option<u32>,
}

/// A UDP socket that is read with time-outs.
#[derive(Debug)]
pub(super) struct Socket {
    inner: UdpSocket,
    #[cfg(target_os = "linux")]
    control: Vec<u8>,
}

impl Socket {
    /// Binds, and asks for a buffer of `buffer_bytes`; the size the kernel grants is returned with the socket.
    pub(super) fn bind(address: SocketAddr, buffer_bytes: usize) -> io::Result<(Self, usize)> {
        let inner = UdpSocket::bind(address)?;
        #[cfg(target_os = "linux")]
        let granted = linux::prepare(&inner, buffer_bytes)?;
        #[cfg(not(target_os = "linux"))]
        let granted = buffer_bytes;
        let socket = Self {
            inner,
            #[cfg(target_os = "linux")]
            control: linux::control(),
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
        #[cfg(target_os = "linux")]
        let received = linux::receive(&self.inner, buffer, &mut self.control);
        #[cfg(not(target_os = "linux"))]
        let received = self.inner.recv_from(buffer).map(|(bytes, from)| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let arrived = Timestamp::from_nanos(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
            Received { bytes, from: Some(from.ip()), arrived, dropped: None }
        });
        match received {
            Ok(received) => Ok(Some(received)),
            // A refused datagram that was sent from this socket's port is nobody's business here.
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionRefused) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    //! What only Linux has.

    use std::io::{self, IoSliceMut};
    use std::net::{IpAddr, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::time::{SystemTime, UNIX_EPOCH};

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, getsockopt, recvmsg, setsockopt, sockopt};
    use nix::sys::time::TimeSpec;
    use ocellus_percept::time::Timestamp;

    use super::Received;

    /// Room for what the kernel tells of a datagram.
    pub(super) fn control() -> Vec<u8> {
        nix::cmsg_space!(TimeSpec, u32)
    }

    /// Asks for the buffer, times and counts; the buffer granted.
    pub(super) fn prepare(socket: &UdpSocket, buffer_bytes: usize) -> io::Result<usize> {
        // More than the system's limit needs the right to it; without that the ordinary way gives what it may.
        if setsockopt(socket, sockopt::RcvBufForce, &buffer_bytes).is_err() {
            setsockopt(socket, sockopt::RcvBuf, &buffer_bytes)?;
        }
        setsockopt(socket, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(socket, sockopt::RxqOvfl, &1)?;
        // The kernel doubles what is asked, for its own books, and tells the double.
        Ok(getsockopt(socket, sockopt::RcvBuf)? / 2)
    }

    pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8], control: &mut [u8]) -> io::Result<Received> {
        let mut slices = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(control), MsgFlags::empty())?;
        let (mut arrived, mut dropped) = (None, None);
        for told in message.cmsgs()? {
            match told {
                ControlMessageOwned::ScmTimestampns(t) => {
                    arrived = Some(Timestamp::from_nanos(t.tv_sec() * 1_000_000_000 + t.tv_nsec()));
                }
                ControlMessageOwned::RxqOvfl(count) => dropped = Some(count),
                _ => {}
            }
        }
        let from = message.address.and_then(|a| {
            let v4 = a.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or_else(|| a.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        });
        Ok(Received { bytes: message.bytes, from, arrived: arrived.unwrap_or_else(now), dropped })
    }

    fn now() -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }
}
