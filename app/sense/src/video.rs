//! A video file, decoded by the ffmpeg program (found on PATH, or named in the options).
//!
//! Frames are indexed by `ffprobe` from the container's packets, without decoding, and come through a pipe as raw RGB.
//! Times are the file's presentation times, counted from the Unix epoch: containers seldom know the date. Reading in order
//! runs one ffmpeg to the end; reading backwards starts it anew. The child is killed and reaped when the drive is dropped.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use ocellus_percept::image::PixelFormat;
use ocellus_percept::space::Rig;
use ocellus_percept::time::Timestamp;
use serde::Deserialize;

use crate::calib;
use crate::drive::{Drive, DriveInfo, DriveKind, Entry, SensorInfo, SensorKind, TimeSource};
use crate::error::{ReadError, SenseError};
use crate::files::rate_and_gaps;
use crate::folder::CAMERA;
use crate::payload::{ImageEncoding, Payload};
use crate::probe::OpenOptions;

/// What to do where the program is missing.
const REMEDY: &str = "install it (apt-get install ffmpeg), or turn the video into a folder of pictures elsewhere";

/// Extensions taken for video without asking a program.
pub(crate) const EXTENSIONS: [&str; 12] =
    ["mp4", "mkv", "avi", "mov", "m4v", "webm", "mpg", "mpeg", "ts", "h264", "hevc", "mjpeg"];

/// A video file.
#[derive(Debug)]
pub(crate) struct VideoDrive {
    info: DriveInfo,
    entries: Vec<Entry>,
    size: (u32, u32),
    ffmpeg: PathBuf,
    decoder: Mutex<Option<Decoder>>,
}

/// A running ffmpeg.
#[derive(Debug)]
struct Decoder {
    child: Child,
    pixels: ChildStdout,
    /// Index of the frame that comes next.
    next: usize,
    /// What ffmpeg says, in a file: a pipe nobody reads could fill and stop it.
    log: File,
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // Both fail only where the child has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `ffprobe`'s answer.
#[derive(Deserialize)]
struct Probe {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    packets: Vec<Packet>,
}

#[derive(Deserialize)]
struct Stream {
    width: Option<u32>,
    height: Option<u32>,
    codec_name: Option<String>,
    avg_frame_rate: Option<String>,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

#[derive(Deserialize)]
struct Packet {
    pts_time: Option<String>,
    #[serde(default)]
    flags: String,
}

/// Indexes the video file `path`.
pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<VideoDrive, SenseError> {
    let ffmpeg = options.ffmpeg.clone().unwrap_or_else(|| "ffmpeg".into());
    let probe = run_ffprobe(path, &ffmpeg.with_file_name("ffprobe"))?;
    let broken = |place: &str, expected: &str, got: String| SenseError::Format {
        file: path.into(),
        place: place.into(),
        expected: expected.into(),
        got,
    };
    let Some(stream) = probe.streams.first() else {
        return Err(broken("streams", "a video stream", "none".into()));
    };
    let mut notes = vec!["times are the file's own, counted from 1970-01-01: a video knows no date".to_owned()];
    let size =
        shown_size(stream, &mut notes).ok_or_else(|| broken("video stream", "a picture's size", "none".into()))?;
    let stamps = presentation_times(&probe.packets, stream, &mut notes)
        .ok_or_else(|| broken("packets", "presentation times or a frame rate", "neither".into()))?;
    if stamps.is_empty() {
        return Err(SenseError::Empty { path: path.into(), expected: "video packets".into() });
    }
    let (rig, rig_source) = match &options.calib {
        Some(given) => {
            let slot = calib::SensorSlot { name: CAMERA, kind: SensorKind::Camera, size: Some(size) };
            let rig = calib::read_for(given, &[slot], None, &mut notes)?;
            (rig, Some(given.display().to_string()))
        }
        None => {
            notes.push("no calibration comes with this kind of drive; give one with --calib FILE for distances".into());
            (Rig::default(), None)
        }
    };
    let codec = stream.codec_name.as_deref().unwrap_or("unknown codec");
    let info = describe(path, &stamps, size, codec, (rig, rig_source), notes);
    let entries = stamps.iter().enumerate().map(|(i, t)| Entry { t: *t, sensor: 0, seq: i as u64 }).collect();
    Ok(VideoDrive { info, entries, size, ffmpeg, decoder: Mutex::new(None) })
}

fn describe(
    path: &Path,
    stamps: &[Timestamp],
    size: (u32, u32),
    codec: &str,
    (rig, rig_source): (Rig, Option<String>),
    notes: Vec<String>,
) -> DriveInfo {
    let numbered: Vec<_> = stamps.iter().enumerate().map(|(i, t)| (i as u64, *t)).collect();
    let (rate_hz, gaps) = rate_and_gaps(&numbered);
    let (first, last) = (stamps.first().copied(), stamps.last().copied());
    let camera = SensorInfo {
        name: CAMERA.into(),
        kind: SensorKind::Camera,
        count: stamps.len(),
        rate_hz,
        first,
        last,
        gaps,
        resolution_px: Some(size),
        encoding: format!("{codec} (decoded to rgb8 by ffmpeg)"),
    };
    DriveInfo {
        kind: DriveKind::Video,
        path: path.into(),
        sensors: vec![camera],
        rig,
        rig_source,
        time_source: TimeSource::Relative,
        duration_s: first.zip(last).map_or(0.0, |(a, b)| b.seconds_since(a)),
        labels: None,
        ego: None,
        notes,
        lost: Vec::new(),
    }
}

fn run_ffprobe(path: &Path, ffprobe: &Path) -> Result<Probe, SenseError> {
    let failed = |reason: String| SenseError::Program { path: path.into(), program: "ffprobe", reason, remedy: REMEDY };
    let output = Command::new(ffprobe)
        .args(["-v", "error", "-select_streams", "v:0", "-show_packets", "-show_streams", "-of", "json", "-i"])
        .arg(plain(path))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| failed(spawn_reason(ffprobe, &e)))?;
    let said = last_line(&String::from_utf8_lossy(&output.stderr));
    let unreadable = |got: String| SenseError::Format {
        file: path.into(),
        place: "the container".into(),
        expected: "a video file ffprobe can read".into(),
        got,
    };
    if !output.status.success() {
        return Err(unreadable(said));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| unreadable(format!("{e}; {said}")))
}

/// A path that begins with `-` would be taken for an option, one with a colon for a protocol.
fn plain(path: &Path) -> PathBuf {
    if path.is_absolute() { path.to_path_buf() } else { Path::new(".").join(path) }
}

fn spawn_reason(program: &Path, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => format!("{} is not there or not on PATH", program.display()),
        _ => format!("{}: {error}", program.display()),
    }
}

fn last_line(text: &str) -> String {
    text.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("no message").trim().to_owned()
}

/// The picture's size as ffmpeg gives it: it applies the container's rotation (phones).
fn shown_size(stream: &Stream, notes: &mut Vec<String>) -> Option<(u32, u32)> {
    let (width, height) = (stream.width.filter(|w| *w > 0)?, stream.height.filter(|h| *h > 0)?);
    let rotation = stream.side_data_list.iter().find_map(|s| s.rotation).unwrap_or(0.0);
    if rotation == 0.0 {
        return Some((width, height));
    }
    notes.push(format!("pictures are turned by {rotation} degrees, as the container says"));
    Some(if (rotation.abs() - 90.0).abs() < 1.0 || (rotation.abs() - 270.0).abs() < 1.0 {
        (height, width)
    } else {
        (width, height)
    })
}

/// The frames' times in the order they are shown; by the frame rate where the container has none.
fn presentation_times(packets: &[Packet], stream: &Stream, notes: &mut Vec<String>) -> Option<Vec<Timestamp>> {
    let shown: Vec<&Packet> = packets.iter().filter(|p| !p.flags.contains('D')).collect();
    let times: Option<Vec<Timestamp>> =
        shown.iter().map(|p| crate::stamps::parse_stamp(p.pts_time.as_deref()?)).collect();
    if let Some(mut times) = times {
        times.sort();
        return Some(times);
    }
    let (numerator, denominator) = stream.avg_frame_rate.as_deref()?.split_once('/')?;
    let rate: f64 = numerator.parse::<f64>().ok()? / denominator.parse::<f64>().ok()?;
    if !(rate.is_finite() && rate > 0.0) {
        return None;
    }
    notes.push(format!("packets without presentation times: index / {rate:.3} Hz is used"));
    Some((0..shown.len()).map(|i| Timestamp::from_nanos((i as f64 / rate * 1e9).round() as i64)).collect())
}

impl VideoDrive {
    fn origin(&self) -> String {
        self.info.path.display().to_string()
    }

    fn fault(&self, index: usize, expected: &str, got: String) -> ReadError {
        let t = self.entries.get(index).map_or(0.0, |e| e.t.as_nanos() as f64 * 1e-9);
        let place = format!("frame {index} at {t:.3} s");
        ReadError::Stream { origin: self.origin(), place, expected: expected.into(), got }
    }

    fn start(&self, index: usize) -> Result<Decoder, ReadError> {
        let log_fault = |e: std::io::Error| self.fault(index, "a temporary file for ffmpeg's messages", e.to_string());
        let log = tempfile::tempfile().map_err(log_fault)?;
        let mut child = Command::new(&self.ffmpeg)
            .args(["-v", "error", "-nostdin", "-i"])
            .arg(plain(&self.info.path))
            .args(["-map", "0:v:0", "-f", "rawvideo", "-pix_fmt", "rgb24"])
            // One picture out for each one in, none doubled or left out to even the rate.
            .args(pass_through(&self.ffmpeg))
            .args(["-sws_flags", "accurate_rnd+full_chroma_int", "pipe:1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.try_clone().map_err(log_fault)?)
            .spawn()
            .map_err(|e| {
                self.fault(index, "the program ffmpeg", format!("{}; {REMEDY}", spawn_reason(&self.ffmpeg, &e)))
            })?;
        match child.stdout.take() {
            Some(pixels) => Ok(Decoder { child, pixels, next: 0, log }),
            None => Err(self.fault(index, "a pipe from ffmpeg", "none".into())),
        }
    }

    /// Reads the next picture's bytes into `bytes`.
    fn next_picture(&self, decoder: &mut Decoder, index: usize, bytes: &mut [u8]) -> Result<(), ReadError> {
        decoder.pixels.read_exact(bytes).map_err(|e| {
            let mut said = String::new();
            let read = decoder.log.seek(SeekFrom::Start(0)).and_then(|_| decoder.log.read_to_string(&mut said));
            let said = if read.is_ok() { last_line(&said) } else { String::new() };
            let expected = format!("{} pictures, as the container's index says", self.entries.len());
            self.fault(index, &expected, format!("{} ({e}; ffmpeg: {said})", decoder.next))
        })?;
        decoder.next += 1;
        Ok(())
    }
}

/// The option that turns frame rate conversion off: renamed in ffmpeg 5.1, the old name gone in 8.
fn pass_through(ffmpeg: &Path) -> [&'static str; 2] {
    let version = Command::new(ffmpeg).arg("-version").stdin(Stdio::null()).output();
    let text = version.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let number = text.strip_prefix("ffmpeg version ").and_then(|t| t.split(['-', ' ']).next()).unwrap_or_default();
    let mut parts = number.trim_start_matches('n').split('.').map(str::parse::<u32>);
    let mut next = || parts.next().and_then(Result::ok);
    // An unnumbered build is a recent one.
    let (major, minor) = (next().unwrap_or(u32::MAX), next().unwrap_or(0));
    if (major, minor) < (5, 1) { ["-vsync", "passthrough"] } else { ["-fps_mode", "passthrough"] }
}

impl Drive for VideoDrive {
    fn info(&self) -> &DriveInfo {
        &self.info
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read_into(&self, index: usize, out: &mut Payload) -> Result<(), ReadError> {
        if index >= self.entries.len() {
            return Err(ReadError::NoSuchEntry { index, entries: self.entries.len() });
        }
        let mut image = out.take_image();
        let (width, height) = self.size;
        let format = PixelFormat::Rgb8;
        image.origin = self.origin();
        image.encoding = ImageEncoding::Raw { format, width, height };
        image.bytes.resize(format.image_bytes(width as usize, height as usize), 0);
        // A thread that died while reading leaves a decoder at an unknown place: it is started anew below.
        let mut slot = self.decoder.lock().unwrap_or_else(PoisonError::into_inner);
        let mut decoder = match slot.take() {
            Some(decoder) if decoder.next <= index => decoder,
            _ => self.start(index)?,
        };
        // A decoder that has ended is kept: later frames fail at once instead of decoding all over again.
        let skipped = decoder.next..=index;
        let result = skipped.into_iter().try_for_each(|_| self.next_picture(&mut decoder, index, &mut image.bytes));
        *slot = Some(decoder);
        result?;
        *out = Payload::Image(image);
        Ok(())
    }
}
