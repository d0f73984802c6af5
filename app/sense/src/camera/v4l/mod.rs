//! Cameras through Video for Linux, without a library between: the driver's own sequence numbers, so that lost frames are
//! counted exactly, its stamps on the monotonic clock, its error flags, and a wait that ends.
//!
//! Single-planar capture by streaming of mapped buffers, which is what USB cameras and most others offer.

mod abi;
mod device;
mod offers;
mod stream;

use std::io;
use std::time::{Duration, Instant};

use abi::Plain;
use device::{Device, monotonic_ns, text};
pub use offers::list;
use stream::Stream;

use super::choose::choose;
use super::{Camera, CameraError, CameraFrame, CameraMode, CameraOptions, PictureFormat, find, letters};
use crate::decode::encoding_from_bytes;
use crate::mcap::message::RawPicture;
use crate::mcap::pictures::pack_raw;
use crate::payload::{EncodedImage, ImageEncoding};

/// A stamp further back than this, or further ahead of its fetching than that, is of another clock, nanoseconds. Ahead at all
/// are drivers that foretell the end of a frame.
const AGE_NS: std::ops::Range<i64> = -1_000_000_000..5_000_000_000;

/// A camera through Video for Linux.
#[derive(Debug)]
pub struct V4lCamera {
    mode: CameraMode,
    bytes_per_line: usize,
    /// Before the first frame is asked for.
    ready: Option<Device>,
    stream: Option<Stream>,
    last_sequence: Option<u32>,
    seq: u64,
    clock_remark: Option<&'static str>,
}

impl V4lCamera {
    /// Opens a camera and agrees with its driver upon format, size and rate.
    pub fn open(options: &CameraOptions) -> Result<Self, CameraError> {
        let path = find::path_of(&options.device, list)?;
        let refused = |doing| {
            let path = path.clone();
            move |e| CameraError::driver(&path, doing, e)
        };
        let device = Device::open(&path).map_err(|e| gone(&path, e))?;
        let capability = device.capability().map_err(refused("asking what it is"))?;
        offers::check_captures(&path, &capability)?;
        let format = choose(&path, &offers::of(&device), options)?;
        let mut asked = device.format().map_err(refused("asking for its format"))?;
        asked.pixel_format = format.code();
        asked.field = abi::FIELD_ANY;
        // The driver's own choice of padding.
        asked.bytes_per_line = 0;
        asked.size_image = 0;
        if let Some((width, height)) = options.size {
            (asked.width, asked.height) = (width, height);
        }
        let set = device.set_format(asked).map_err(refused("setting its format"))?;
        let Some(given) = PictureFormat::from_code(set.pixel_format).filter(|given| *given == format) else {
            let offered = format!("{} when asked", letters(set.pixel_format));
            return Err(CameraError::Format { device: path, wanted: format.to_string(), offered });
        };
        let mode = CameraMode {
            name: text(&capability.card),
            bus: text(&capability.bus_info),
            format: given,
            size: (set.width, set.height),
            hz: agree_rate(&device, options.hz),
            path,
        };
        Ok(Self {
            mode,
            bytes_per_line: set.bytes_per_line as usize,
            ready: Some(device),
            stream: None,
            last_sequence: None,
            seq: 0,
            clock_remark: None,
        })
    }

    /// The frame's number, continued beyond 32 bits, and how many before it were never given.
    fn number(&mut self, sequence: u32) -> (u64, u64) {
        // The first frame of a stream is the first, whatever it is called: some drivers count on from stream to stream.
        let step = self.last_sequence.replace(sequence).map_or(1, |last| sequence.wrapping_sub(last));
        // A number that stands still or runs back is the driver's mistake, not four thousand million lost frames.
        let step = if step == 0 || step > u32::MAX / 2 { 1 } else { step };
        self.seq += u64::from(step);
        (self.seq - 1, u64::from(step) - 1)
    }
}

/// A device that cannot be opened because it is not there is another error than one that refuses.
fn gone(path: &str, error: io::Error) -> CameraError {
    match error.kind() {
        io::ErrorKind::NotFound => {
            let there: Vec<_> = list().into_iter().map(|c| format!("{} (\"{}\")", c.path, c.name)).collect();
            let there = if there.is_empty() { "is none".to_owned() } else { format!("are: {}", there.join(", ")) };
            CameraError::NotFound { wanted: path.to_owned(), there }
        }
        _ => CameraError::driver(path, "opening", error),
    }
}

/// Asks for a rate; the one that is set. Not every driver knows about rates.
fn agree_rate(device: &Device, hz: Option<f64>) -> Option<f64> {
    let mut parameters = device.parameters().ok()?;
    if let Some(hz) = hz.filter(|_| parameters.capability & abi::CAP_TIME_PER_FRAME != 0) {
        let mut asked = abi::StreamParameters { kind: abi::CAPTURE, ..Plain::zeroed() };
        asked.time_per_frame = [1000, (hz * 1000.0).round() as u32];
        parameters = device.set_parameters(asked).unwrap_or(parameters);
    }
    offers::hz(parameters.time_per_frame)
}

/// What one buffer came to.
struct Fetched {
    sequence: u32,
    captured_at: Option<Instant>,
    received_at: Instant,
    damaged: Option<String>,
}

/// Copies a buffer's picture into `out`.
fn fetch(mode: &CameraMode, step: usize, buffer: &abi::Buffer, data: &[u8], out: &mut EncodedImage) -> Fetched {
    let (received_at, now_ns) = (Instant::now(), monotonic_ns());
    let taken_ns =
        buffer.seconds.saturating_mul(1_000_000_000).saturating_add(buffer.microseconds.saturating_mul(1000));
    let monotonic = buffer.flags & abi::FLAG_STAMP_MASK == abi::FLAG_STAMP_MONOTONIC;
    let age_ns = now_ns.saturating_sub(taken_ns);
    let age = Duration::from_nanos(age_ns.unsigned_abs());
    let captured_at = if age_ns < 0 { received_at.checked_add(age) } else { received_at.checked_sub(age) };
    let damaged = if buffer.flags & abi::FLAG_ERROR == 0 {
        pack(mode, step, data, out).err()
    } else {
        Some(format!("the driver says that its {} bytes are damaged", data.len()))
    };
    Fetched {
        sequence: buffer.sequence,
        captured_at: captured_at.filter(|_| monotonic && AGE_NS.contains(&age_ns)),
        received_at,
        damaged,
    }
}

fn pack(mode: &CameraMode, step: usize, data: &[u8], out: &mut EncodedImage) -> Result<(), String> {
    let Some(encoding) = mode.format.encoding() else {
        if encoding_from_bytes(data) != Some(ImageEncoding::Jpeg) {
            let first = data.get(..4).unwrap_or(data);
            return Err(format!("expected a JPEG picture, got {} bytes that begin with {first:02X?}", data.len()));
        }
        out.encoding = ImageEncoding::Jpeg;
        out.bytes.clear();
        out.bytes.extend_from_slice(data);
        return Ok(());
    };
    let (width, height) = mode.size;
    pack_raw(&RawPicture { width, height, encoding, big_endian: false, step, data }, out).map_err(|f| f.to_string())
}

impl Camera for V4lCamera {
    fn mode(&self) -> &CameraMode {
        &self.mode
    }

    fn clock_remark(&self) -> Option<&'static str> {
        self.clock_remark
    }

    fn poll(&mut self, patience: Duration, out: &mut EncodedImage) -> Result<Option<CameraFrame>, CameraError> {
        if let Some(device) = self.ready.take() {
            let started = Stream::start(device);
            self.stream = Some(started.map_err(|e| CameraError::driver(&self.mode.path, "starting to stream", e))?);
        }
        let Some(stream) = &mut self.stream else {
            let ended = io::Error::from(io::ErrorKind::NotConnected);
            return Err(CameraError::driver(&self.mode.path, "streaming", ended));
        };
        let (mode, step) = (&self.mode, self.bytes_per_line);
        out.origin.clone_from(&mode.path);
        let taken = stream.take(patience, |buffer, data| fetch(mode, step, buffer, data, out));
        let taken = taken.map_err(|e| CameraError::driver(&self.mode.path, "taking a frame", e))?;
        let Some(fetched) = taken else { return Ok(None) };
        if fetched.captured_at.is_none() {
            self.clock_remark = Some("its driver gives no usable stamps: frames are stamped when they are fetched");
        }
        let (seq, missed) = self.number(fetched.sequence);
        Ok(Some(CameraFrame {
            seq,
            captured_at: fetched.captured_at.unwrap_or(fetched.received_at),
            received_at: fetched.received_at,
            missed,
            damaged: fetched.damaged,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(format: PictureFormat, size: (u32, u32)) -> V4lCamera {
        let [path, name, bus] = ["/dev/video0", "made", "nowhere"].map(str::to_owned);
        let mode = CameraMode { path, name, bus, format, size, hz: Some(30.0) };
        V4lCamera {
            mode,
            bytes_per_line: 0,
            ready: None,
            stream: None,
            last_sequence: None,
            seq: 0,
            clock_remark: None,
        }
    }

    #[test]
    fn gaps_of_the_drivers_numbers_are_lost_frames_also_where_they_wrap() {
        let mut camera = camera(PictureFormat::Yuyv, (2, 2));
        assert_eq!(camera.number(7), (0, 0), "the first of a stream");
        assert_eq!(camera.number(8), (1, 0));
        assert_eq!(camera.number(11), (4, 2));
        camera.last_sequence = Some(u32::MAX - 1);
        assert_eq!(camera.number(1), (7, 2), "MAX and 0 were lost");
        assert_eq!(camera.number(1), (8, 0), "a number that stands still");
        assert_eq!(camera.number(0), (9, 0), "and one that runs back");
    }

    #[test]
    fn a_buffer_becomes_a_picture_with_its_age_or_says_why_not() {
        let mode = camera(PictureFormat::Uyvy, (2, 1)).mode;
        let mut out = EncodedImage::default();
        let taken_ns = monotonic_ns() - 40_000_000;
        let mut buffer = abi::Buffer {
            flags: abi::FLAG_STAMP_MONOTONIC,
            seconds: taken_ns / 1_000_000_000,
            microseconds: taken_ns % 1_000_000_000 / 1000,
            ..Plain::zeroed()
        };
        let fetched = fetch(&mode, 6, &buffer, &[1, 2, 3, 4, 0, 0], &mut out);
        assert_eq!((fetched.damaged, out.bytes.as_slice()), (None, &[2, 1, 4, 3][..]), "padding dropped, order turned");
        assert!(fetched.received_at - fetched.captured_at.unwrap() >= Duration::from_millis(40));
        buffer.seconds += 1;
        let foretold = fetch(&mode, 6, &buffer, &[1, 2, 3, 4, 0, 0], &mut out);
        assert!(foretold.captured_at.unwrap() > foretold.received_at, "the end of a frame, foretold");
        buffer.seconds += 100;
        assert_eq!(fetch(&mode, 6, &buffer, &[1, 2, 3, 4, 0, 0], &mut out).captured_at, None, "of another clock");
        buffer.seconds -= 101;
        assert!(fetch(&mode, 4, &buffer, &[1, 2], &mut out).damaged.unwrap().contains("2"), "too short");
        buffer.flags = 0;
        assert_eq!(fetch(&mode, 4, &buffer, &[1, 2, 3, 4], &mut out).captured_at, None, "of a clock unknown");
        buffer.flags = abi::FLAG_ERROR | abi::FLAG_STAMP_MONOTONIC;
        assert!(fetch(&mode, 4, &buffer, &[1, 2, 3, 4], &mut out).damaged.unwrap().contains("damaged"));
        let jpeg = camera(PictureFormat::Mjpeg, (2, 1)).mode;
        assert!(pack(&jpeg, 0, &[], &mut out).unwrap_err().contains("0 bytes"));
        assert_eq!(pack(&jpeg, 0, &[0xFF, 0xD8, 0xFF, 0xE0], &mut out), Ok(()));
        assert_eq!(out.encoding, ImageEncoding::Jpeg);
    }

    #[test]
    fn a_device_that_is_not_there_or_no_camera_is_said_to_be_so() {
        let open = |device: &str| {
            V4lCamera::open(&CameraOptions { device: device.into(), format: None, size: None, hz: None })
        };
        let text = open("/dev/video250").unwrap_err().to_string();
        assert!(text.contains("/dev/video250: no such camera"), "{text}");
        let text = open("/dev/null").unwrap_err().to_string();
        assert!(text.contains("/dev/null") && text.contains("asking what it is"), "{text}");
    }
}
