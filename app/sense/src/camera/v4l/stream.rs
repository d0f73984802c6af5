//! The driver's buffers: mapped, given to be filled, taken and given back. Ends by itself when dropped.

use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::time::Duration;

use super::abi;
use super::device::Device;

/// Buffers asked for: one being filled, one being taken, two for a thread that is held up. The driver may give more or fewer.
const BUFFERS: u32 = 4;

/// A device that streams.
#[derive(Debug)]
pub struct Stream {
    device: Device,
    maps: Vec<Map>,
    /// Why no more frames can be taken, after one that could.
    broken: Option<io::Error>,
}

/// A buffer of the device's, mapped.
#[derive(Debug)]
struct Map {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the memory belongs to the map alone, whichever thread has it, and is read only.
unsafe impl Send for Map {}

impl Map {
    fn new(device: &Device, index: u32) -> io::Result<Self> {
        let place = device.buffer(index)?;
        let bytes = place.length as usize;
        let offset = i64::try_from(place.offset).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let (reading, shared, file) = (libc::PROT_READ, libc::MAP_SHARED, device.file().as_raw_fd());
        // SAFETY: a new mapping, at a place of the kernel's choice, of an open file.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, reading, shared, file, offset) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Self { start, bytes })
    }

    /// What was filled. The buffer must be ours: taken, and not given back.
    fn filled(&self, bytes: usize) -> &[u8] {
        // SAFETY: the mapping is that long at least and lives as long as `self`. The driver does not write to a buffer that
        // it has given out, and the only place that gives it back is behind this borrow.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), bytes.min(self.bytes)) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length, and nobody has a reference any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

impl Stream {
    /// Maps the buffers and begins to stream.
    pub fn start(device: Device) -> io::Result<Self> {
        let count = device.request_buffers(BUFFERS)?;
        let maps = (0..count).map(|index| Map::new(&device, index)).collect::<io::Result<Vec<_>>>()?;
        for index in 0..count {
            device.queue(index)?;
        }
        device.stream_on()?;
        Ok(Self { device, maps, broken: None })
    }

    /// Waits at most `patience` for a filled buffer, shows it to `see`, and gives it back. `None` where none was filled.
    pub fn take<T>(&mut self, patience: Duration, see: impl FnOnce(&abi::Buffer, &[u8]) -> T) -> io::Result<Option<T>> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        if !self.device.wait(patience)? {
            return Ok(None);
        }
        let buffer = match self.device.dequeue() {
            Ok(buffer) => buffer,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) => return Err(e),
        };
        let map = self.maps.get(buffer.index as usize).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let seen = see(&buffer, map.filled(buffer.bytes_used as usize));
        // The frame is good whether or not its buffer is taken back.
        self.broken = self.device.queue(buffer.index).err();
        Ok(Some(seen))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A device that is gone cannot be told to stop, and need not be.
        let _ = self.device.stream_off();
    }
}
