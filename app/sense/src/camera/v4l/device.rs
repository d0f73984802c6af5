//! A video device: its file, and the requests that can be made of it, as safe calls.
//!
//! Opened non-blocking: the only wait is [`Device::wait`], and that has an end. A request that a signal interrupts is made again.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use super::abi::{self, Plain};

/// An open video device.
#[derive(Debug)]
pub struct Device {
    file: File,
}

impl Device {
    /// Opens a device.
    pub fn open(path: &str) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        Ok(Self { file })
    }

    /// The file, for mapping its memory.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes the request of number `request`, whose structure must be a `T`: the numbers are made of the structures' sizes.
    fn ask<T: Plain>(&self, request: u64, structure: &mut T) -> io::Result<()> {
        loop {
            // SAFETY: the file is open; the kernel reads and writes `size_of::<T>()` bytes there, as the request's number
            // says, which was made of the same type.
            let answer = unsafe { libc::ioctl(self.file.as_raw_fd(), request as _, std::ptr::from_mut(structure)) };
            if answer >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// Who it is and what it can do.
    pub fn capability(&self) -> io::Result<abi::Capability> {
        let mut capability = abi::Capability::zeroed();
        self.ask(abi::QUERYCAP, &mut capability).map(|()| capability)
    }

    /// The `index`-th of its formats; `None` beyond the last.
    pub fn format_offered(&self, index: u32) -> Option<abi::FormatDescription> {
        let mut format = abi::FormatDescription { index, kind: abi::CAPTURE, ..Plain::zeroed() };
        self.ask(abi::ENUM_FMT, &mut format).ok().map(|()| format)
    }

    /// The `index`-th size of a format.
    pub fn size_offered(&self, pixel_format: u32, index: u32) -> Option<abi::FrameSize> {
        let mut size = abi::FrameSize { index, pixel_format, ..Plain::zeroed() };
        self.ask(abi::ENUM_FRAMESIZES, &mut size).ok().map(|()| size)
    }

    /// The `index`-th interval between frames of a size.
    pub fn interval_offered(
        &self,
        pixel_format: u32,
        (width, height): (u32, u32),
        index: u32,
    ) -> Option<abi::FrameInterval> {
        let mut interval = abi::FrameInterval { index, pixel_format, width, height, ..Plain::zeroed() };
        self.ask(abi::ENUM_FRAMEINTERVALS, &mut interval).ok().map(|()| interval)
    }

    /// The format it is set to.
    pub fn format(&self) -> io::Result<abi::Format> {
        let mut format = abi::Format { kind: abi::CAPTURE, ..Plain::zeroed() };
        self.ask(abi::G_FMT, &mut format).map(|()| format)
    }

    /// Sets its format; the nearest that it can do comes back.
    pub fn set_format(&self, mut format: abi::Format) -> io::Result<abi::Format> {
        self.ask(abi::S_FMT, &mut format).map(|()| format)
    }

    /// The rate it is set to.
    pub fn parameters(&self) -> io::Result<abi::StreamParameters> {
        let mut parameters = abi::StreamParameters { kind: abi::CAPTURE, ..Plain::zeroed() };
        self.ask(abi::G_PARM, &mut parameters).map(|()| parameters)
    }

    /// Sets its rate; the nearest that it can do comes back.
    pub fn set_parameters(&self, mut parameters: abi::StreamParameters) -> io::Result<abi::StreamParameters> {
        self.ask(abi::S_PARM, &mut parameters).map(|()| parameters)
    }

    /// Asks for `count` buffers in the device's memory; how many there are.
    pub fn request_buffers(&self, count: u32) -> io::Result<u32> {
        let mut request =
            abi::RequestBuffers { count, kind: abi::CAPTURE, memory: abi::MEMORY_MMAP, ..Plain::zeroed() };
        self.ask(abi::REQBUFS, &mut request).map(|()| request.count)
    }

    /// Where the `index`-th buffer lies.
    pub fn buffer(&self, index: u32) -> io::Result<abi::Buffer> {
        let mut buffer = captured(index);
        self.ask(abi::QUERYBUF, &mut buffer).map(|()| buffer)
    }

    /// Gives the `index`-th buffer to the driver to be filled.
    pub fn queue(&self, index: u32) -> io::Result<()> {
        self.ask(abi::QBUF, &mut captured(index))
    }

    /// Takes a filled buffer; [`ErrorKind::WouldBlock`] where there is none.
    pub fn dequeue(&self) -> io::Result<abi::Buffer> {
        let mut buffer = captured(0);
        self.ask(abi::DQBUF, &mut buffer).map(|()| buffer)
    }

    /// Begins to stream.
    pub fn stream_on(&self) -> io::Result<()> {
        self.ask(abi::STREAMON, &mut { abi::CAPTURE })
    }

    /// Ends streaming; all buffers are ours again.
    pub fn stream_off(&self) -> io::Result<()> {
        self.ask(abi::STREAMOFF, &mut { abi::CAPTURE })
    }

    /// Waits at most `patience` until something can be taken; whether it can. A device in an error says yes: taking tells why.
    pub fn wait(&self, patience: Duration) -> io::Result<bool> {
        let mut poll = libc::pollfd { fd: self.file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let ms = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one structure is there, as told, and the file in it is open.
        let ready = unsafe { libc::poll(&raw mut poll, 1, ms) };
        if ready >= 0 {
            return Ok(ready > 0);
        }
        let error = io::Error::last_os_error();
        if error.kind() == ErrorKind::Interrupted { Ok(false) } else { Err(error) }
    }
}

fn captured(index: u32) -> abi::Buffer {
    abi::Buffer { index, kind: abi::CAPTURE, memory: abi::MEMORY_MMAP, ..Plain::zeroed() }
}

/// Text of a fixed length, ended by a zero.
pub fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).trim().to_owned()
}

/// The host's monotonic clock, nanoseconds: what drivers stamp frames with, and what [`std::time::Instant`] counts on Linux.
pub fn monotonic_ns() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is there to be written; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
