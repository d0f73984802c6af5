//! A drive made of one file per frame: the common ground of KITTI, Argoverse 2, nuScenes samples and picture folders.
//!
//! The kinds differ in how they are indexed; what they give is this [`FileDrive`]: entries, each with its file, its
//! calibration and its labels.

use std::path::{Path, PathBuf};

use ocellus_percept::space::{Odom, Rig, Transform, Vehicle};
use ocellus_percept::time::Timestamp;

use crate::calib::SensorSlot;
use crate::decode;
use crate::drive::{Drive, DriveInfo, DriveKind, Entry, GAP_FACTOR, Gap, SensorInfo, SensorKind, TimeSource};
use crate::ego::PoseTrack;
use crate::error::{ReadError, SenseError};
use crate::feather;
use crate::labels::{Label, LabelSummary};
use crate::payload::Payload;
use crate::points::{PointLayout, cloud_from_bytes};

/// How a frame's file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileFormat {
    /// JPEG or PNG, told by its first bytes.
    Picture,
    /// Raw float records.
    Points(PointLayout),
    /// An Argoverse 2 sweep.
    FeatherSweep,
}

impl FileFormat {
    fn name(self) -> &'static str {
        match self {
            Self::Picture => "jpeg or png",
            Self::Points(PointLayout::Kitti) => "float32 x y z reflectance",
            Self::Points(PointLayout::NuScenes) => "float32 x y z intensity ring",
            Self::FeatherSweep => "feather",
        }
    }
}

/// One frame as indexed.
#[derive(Debug, Clone)]
pub(crate) struct FrameFile {
    pub(crate) t: Timestamp,
    pub(crate) seq: u64,
    pub(crate) path: PathBuf,
    /// Index into [`Parts::rigs`].
    pub(crate) rig: usize,
    /// Index into [`Parts::labels`].
    pub(crate) labels: Option<usize>,
}

/// One sensor as indexed.
#[derive(Debug, Clone)]
pub(crate) struct SensorFiles {
    pub(crate) name: String,
    pub(crate) kind: SensorKind,
    pub(crate) format: FileFormat,
    pub(crate) frames: Vec<FrameFile>,
}

impl SensorFiles {
    /// What a calibration must know of it.
    pub(crate) fn slot(&self) -> SensorSlot<'_> {
        let size = (self.kind == SensorKind::Camera).then(|| self.frames.iter().find_map(|f| picture_size(&f.path)));
        SensorSlot { name: &self.name, kind: self.kind, size: size.flatten() }
    }
}

/// What an indexer has gathered.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) kind: DriveKind,
    pub(crate) path: PathBuf,
    pub(crate) sensors: Vec<SensorFiles>,
    pub(crate) time_source: TimeSource,
    /// At least one; the first is the drive's.
    pub(crate) rigs: Vec<Rig>,
    pub(crate) rig_source: Option<String>,
    /// Labels per labelled frame; empty where the drive has none.
    pub(crate) labels: Vec<Vec<Label>>,
    pub(crate) ego: Option<(PoseTrack, String)>,
    pub(crate) notes: Vec<String>,
}

/// A drive of one file per frame.
#[derive(Debug)]
pub(crate) struct FileDrive {
    info: DriveInfo,
    entries: Vec<Entry>,
    files: Vec<(PathBuf, FileFormat, usize, Option<usize>)>,
    rigs: Vec<Rig>,
    labels: Vec<Vec<Label>>,
    ego: Option<PoseTrack>,
}

impl FileDrive {
    /// Puts the sensors' frames into one order and describes them.
    pub(crate) fn new(mut parts: Parts) -> Self {
        parts.sensors.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        let sensors: Vec<SensorInfo> = parts.sensors.iter_mut().map(describe).collect();
        let mut order: Vec<(Entry, FileFormat, FrameFile)> = parts
            .sensors
            .into_iter()
            .enumerate()
            .flat_map(|(sensor, files)| {
                let format = files.format;
                files.frames.into_iter().map(move |f| (Entry { t: f.t, sensor, seq: f.seq }, format, f))
            })
            .collect();
        // Sensors are sorted LiDARs first, so that at equal times the sweep is there when the picture comes.
        order.sort_by_key(|(e, _, _)| (e.t, e.sensor, e.seq));
        let entries: Vec<Entry> = order.iter().map(|(e, _, _)| *e).collect();
        let duration_s = match (entries.first(), entries.last()) {
            (Some(first), Some(last)) => last.t.seconds_since(first.t),
            _ => 0.0,
        };
        let ego_info = parts.ego.as_ref().and_then(|(track, source)| track.info(source));
        let info = DriveInfo {
            kind: parts.kind,
            path: parts.path,
            sensors,
            rig: parts.rigs.first().cloned().unwrap_or_default(),
            rig_source: parts.rig_source,
            time_source: parts.time_source,
            duration_s,
            labels: (!parts.labels.is_empty()).then(|| LabelSummary::count(parts.labels.iter().map(Vec::as_slice))),
            ego: ego_info,
            notes: parts.notes,
            lost: Vec::new(),
        };
        let files = order.into_iter().map(|(_, format, f)| (f.path, format, f.rig, f.labels)).collect();
        Self { info, entries, files, rigs: parts.rigs, labels: parts.labels, ego: parts.ego.map(|(track, _)| track) }
    }
}

impl Drive for FileDrive {
    fn info(&self) -> &DriveInfo {
        &self.info
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read_into(&self, index: usize, out: &mut Payload) -> Result<(), ReadError> {
        let Some((path, format, _, _)) = self.files.get(index) else {
            return Err(ReadError::NoSuchEntry { index, entries: self.entries.len() });
        };
        match format {
            FileFormat::Picture => read_picture(path, out),
            FileFormat::Points(layout) => {
                let mut cloud = out.take_cloud();
                let bytes = std::fs::read(path).map_err(|e| ReadError::from_io(path, &e))?;
                cloud_from_bytes(&path.display().to_string(), &bytes, *layout, &mut cloud)?;
                *out = Payload::Cloud(cloud);
                Ok(())
            }
            FileFormat::FeatherSweep => {
                let mut cloud = out.take_cloud();
                feather::read_sweep(path, &mut cloud)?;
                *out = Payload::Cloud(cloud);
                Ok(())
            }
        }
    }

    fn rig_at(&self, index: usize) -> &Rig {
        self.files.get(index).and_then(|(_, _, rig, _)| self.rigs.get(*rig)).unwrap_or(&self.info.rig)
    }

    fn odom_from_vehicle(&self, t: Timestamp) -> Option<Transform<Odom, Vehicle>> {
        self.ego.as_ref()?.at(t)
    }

    fn labels_at(&self, index: usize) -> Option<&[Label]> {
        let (_, _, _, labels) = self.files.get(index)?;
        self.labels.get((*labels)?).map(Vec::as_slice)
    }

    fn file_name(&self, index: usize) -> Option<&str> {
        self.files.get(index)?.0.file_name()?.to_str()
    }
}

/// Reads a picture's bytes as they are, into `out`'s buffers.
fn read_picture(path: &Path, out: &mut Payload) -> Result<(), ReadError> {
    let mut image = out.take_image();
    image.origin = path.display().to_string();
    std::fs::File::open(path)
        .and_then(|mut file| std::io::Read::read_to_end(&mut file, &mut image.bytes))
        .map_err(|e| ReadError::from_io(path, &e))?;
    if image.bytes.is_empty() {
        let expected = "a JPEG or PNG picture".into();
        return Err(ReadError::Truncated { origin: image.origin, bytes: 0, expected });
    }
    image.encoding = decode::encoding_from_bytes(&image.bytes).ok_or_else(|| ReadError::Corrupt {
        origin: image.origin.clone(),
        place: "byte 0".into(),
        expected: "a JPEG or PNG picture".into(),
        got: format!("{:02X?}", &image.bytes[..image.bytes.len().min(8)]),
    })?;
    *out = Payload::Image(image);
    Ok(())
}

/// Columns and rows of a picture file, reading its beginning only; `None` where it cannot be told.
pub(crate) fn picture_size(path: &Path) -> Option<(u32, u32)> {
    /// EXIF data with a thumbnail can push a JPEG's size this far back.
    const HEADER_BYTES: u64 = 1 << 18;
    let mut head = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, HEADER_BYTES), &mut head).ok()?;
    decode::size_from_header(&head)
}

/// Sorts a sensor's frames by time and says what there is.
fn describe(sensor: &mut SensorFiles) -> SensorInfo {
    sensor.frames.sort_by_key(|f| (f.t, f.seq));
    let stamps: Vec<(u64, Timestamp)> = sensor.frames.iter().map(|f| (f.seq, f.t)).collect();
    let (rate_hz, gaps) = rate_and_gaps(&stamps);
    let picture = sensor.kind == SensorKind::Camera;
    let resolution_px = picture.then(|| sensor.frames.iter().find_map(|f| picture_size(&f.path))).flatten();
    // The extension tells it to people; reading looks at the bytes.
    let encoding = if picture { picture_encoding(&sensor.frames) } else { sensor.format.name().to_owned() };
    SensorInfo {
        name: sensor.name.clone(),
        kind: sensor.kind,
        count: sensor.frames.len(),
        rate_hz,
        first: stamps.first().map(|s| s.1),
        last: stamps.last().map(|s| s.1),
        gaps,
        resolution_px,
        encoding,
    }
}

fn picture_encoding(frames: &[FrameFile]) -> String {
    let extension = frames.first().and_then(|f| f.path.extension()).map(|e| e.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("jpg" | "jpeg") => "jpeg".into(),
        Some(other) => other.into(),
        None => "no data".into(),
    }
}

/// Inverse of the median interval, and the intervals well above it.
pub(crate) fn rate_and_gaps(stamps: &[(u64, Timestamp)]) -> (Option<f64>, Vec<Gap>) {
    let intervals: Vec<(u64, f64)> = stamps
        .windows(2)
        .filter_map(|w| match w {
            [(seq, a), (_, b)] => Some((*seq, b.seconds_since(*a))),
            _ => None,
        })
        .collect();
    let mut sorted: Vec<f64> = intervals.iter().map(|(_, s)| *s).collect();
    sorted.sort_by(f64::total_cmp);
    let Some(&median) = sorted.get(sorted.len() / 2) else { return (None, Vec::new()) };
    let gaps = intervals
        .into_iter()
        .filter(|(_, seconds)| *seconds > GAP_FACTOR * median)
        .map(|(after_seq, seconds)| Gap { after_seq, seconds })
        .collect();
    ((median > 0.0).then(|| 1.0 / median), gaps)
}

/// The files in `folder` whose extension (lower case) is one of `extensions`, in natural order of their names.
pub(crate) fn list_files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, SenseError> {
    let mut files = Vec::new();
    for item in std::fs::read_dir(folder).map_err(SenseError::io(folder, "listing the folder"))? {
        let path = item.map_err(SenseError::io(folder, "listing the folder"))?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let wanted = extensions.iter().any(|e| name.strip_suffix(e).is_some_and(|stem| stem.ends_with('.')));
        // Names that begin with a point are the file system's and not the recording's (`._x.jpg` of macOS).
        if wanted && !name.starts_with('.') {
            files.push(path);
        }
    }
    files.sort_by(|a, b| natural_cmp(&a.to_string_lossy(), &b.to_string_lossy()));
    Ok(files)
}

/// Text order in which runs of digits compare as numbers: `frame2` before `frame10`.
pub(crate) fn natural_cmp(a: &str, b: &str) -> std::cmp::Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    let (whole_a, whole_b) = (a, b);
    loop {
        match (a.first(), b.first()) {
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (number_a, rest_a) = split_number(a);
                let (number_b, rest_b) = split_number(b);
                // Without leading zeros a longer number is the larger one.
                let order = (number_a.len(), number_a).cmp(&(number_b.len(), number_b));
                if order.is_ne() {
                    return order;
                }
                (a, b) = (rest_a, rest_b);
            }
            (Some(x), Some(y)) if x == y => (a, b) = (&a[1..], &b[1..]),
            (Some(x), Some(y)) => return x.cmp(y),
            // Equal but for leading zeros: any fixed order.
            (None, None) => return whole_a.cmp(whole_b),
            (x, y) => return x.cmp(&y),
        }
    }
}

/// The leading digits without their leading zeros, and what follows them.
fn split_number(text: &[u8]) -> (&[u8], &[u8]) {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    let zeros = number.iter().take_while(|&&b| b == b'0').count();
    (&number[zeros..], rest)
}

/// The number a file's name is, up to its first point (`0000000012.png`); `None` for other names.
pub(crate) fn number_in_name(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natural_order_counts() {
        let mut names = ["b10", "b9", "a", "b09", "b1x", "b1", "10", "9", ""];
        names.sort_by(|a, b| natural_cmp(a, b));
        assert_eq!(names, ["", "9", "10", "a", "b1", "b1x", "b09", "b9", "b10"]);
    }

    #[test]
    fn a_gap_is_an_interval_well_above_the_median() {
        let at = |ms: i64| Timestamp::from_nanos(ms * 1_000_000);
        let stamps: Vec<_> = [0, 100, 205, 300, 500, 600].iter().enumerate().map(|(i, &t)| (i as u64, at(t))).collect();
        let (rate, gaps) = rate_and_gaps(&stamps);
        assert!((rate.unwrap() - 10.0).abs() < 0.6);
        assert_eq!(gaps, vec![Gap { after_seq: 3, seconds: 0.2 }]);
        assert_eq!(rate_and_gaps(&stamps[..1]), (None, vec![]));
    }
}
