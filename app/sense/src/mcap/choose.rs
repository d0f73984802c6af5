//! Which streams of a recording are its sensors, what they are called, and what their first frames show.

use std::path::{Path, PathBuf};

use ocellus_percept::time::Timestamp;

use super::clouds::intensity_scale;
use super::container::Place;
use super::index::{Index, Stream};
use super::message::{Form, Kind, Wire};
use super::names::{base_topic, sensor_names};
use super::rig::Mounted;
use super::store::Store;
use crate::decode::size_from_header;
use crate::drive::SensorInfo;
use crate::error::SenseError;
use crate::files::rate_and_gaps;
use crate::payload::ImageEncoding;
use crate::probe::OpenOptions;
use crate::stamps::check_order;

/// Sweeps looked at for the scale of a LiDAR's intensities: the first may be empty.
const SCALE_SWEEPS: usize = 3;
/// A sensor as it is read.
#[derive(Debug)]
pub(super) struct Source {
    pub topic: String,
    pub wire: Wire,
    pub form: Form,
    /// What intensities are divided by.
    pub intensity_scale: f64,
}

/// A chosen stream with what its first frame shows.
pub(super) struct Chosen {
    pub name: String,
    pub source: Source,
    pub frame: String,
    pub size: Option<(u32, u32)>,
    pub encoding: String,
    /// Frames in the order of their stamps: time, number, place.
    pub frames: Vec<(Timestamp, u64, Place)>,
    /// By number: when each was logged.
    pub logged: Vec<Timestamp>,
}

impl Chosen {
    pub fn mounted(&self) -> Mounted<'_> {
        Mounted {
            name: &self.name,
            kind: self.source.form.sensor(),
            topic: &self.source.topic,
            frame: &self.frame,
            size: self.size,
        }
    }

    pub fn info(&self) -> SensorInfo {
        let stamps: Vec<(u64, Timestamp)> = self.frames.iter().map(|(t, seq, _)| (*seq, *t)).collect();
        let (rate_hz, gaps) = rate_and_gaps(&stamps);
        SensorInfo {
            name: self.name.clone(),
            kind: self.source.form.sensor(),
            count: stamps.len(),
            rate_hz,
            first: stamps.first().map(|s| s.1),
            last: stamps.last().map(|s| s.1),
            gaps,
            resolution_px: self.size,
            encoding: self.encoding.clone(),
        }
    }
}

/// Picks the streams that are sensors, one a topic, and names them.
pub(super) fn choose(
    file: &Path,
    index: &Index,
    store: &Store,
    options: &OpenOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Chosen>, SenseError> {
    let mut picked: Vec<&Stream> = Vec::new();
    for stream in index.streams.iter().filter(|s| matches!(s.kind, Some(Kind::Sensor(..))) && !s.rows.is_empty()) {
        let rival = picked
            .iter()
            .position(|p| base_topic(&p.topic) == base_topic(&stream.topic) && is_camera(p) == is_camera(stream));
        match rival.and_then(|i| picked.get_mut(i)) {
            None => picked.push(stream),
            Some(other) => {
                let (used, left) = if better(stream, other) { (stream, *other) } else { (*other, stream) };
                let (used_messages, messages) = (used.messages, left.messages);
                notes.push(format!(
                    "{} ({}, {messages} messages) is left out for {} ({}, {used_messages} messages): the same sensor",
                    left.topic, left.schema, used.topic, used.schema
                ));
                *other = used;
            }
        }
    }
    let mut chosen = Vec::new();
    picked.sort_by(|a, b| a.topic.cmp(&b.topic));
    let usable: Vec<&Stream> = picked.into_iter().filter(|s| is_usable(s, store, notes)).collect();
    let topics: Vec<&str> = usable.iter().map(|s| s.topic.as_str()).collect();
    for (name, stream) in sensor_names(&topics).into_iter().zip(usable) {
        chosen.extend(describe(file, name, stream, store, options, notes)?);
    }
    Ok(chosen)
}

fn is_camera(stream: &Stream) -> bool {
    matches!(stream.kind, Some(Kind::Sensor(_, Form::Compressed | Form::Raw)))
}

/// Of two streams of one sensor: the one with more messages, at equal numbers the one without transport compression.
fn better(a: &Stream, b: &Stream) -> bool {
    let raw = |s: &Stream| matches!(s.kind, Some(Kind::Sensor(_, Form::Raw)));
    (a.messages, raw(a)) > (b.messages, raw(b))
}

/// Whether a stream's pictures are of a kind that is read; if not, it is named.
fn is_usable(stream: &Stream, store: &Store, notes: &mut Vec<String>) -> bool {
    let (Some(Kind::Sensor(wire, form)), Some(first)) = (stream.kind, stream.rows.first()) else { return false };
    let unknown = match form {
        _ if stream.topic.ends_with("compressedDepth") => Some("compressed depth".to_owned()),
        Form::Raw => {
            let encoding = store.with(first.place, |content| Ok(wire.raw(content)?.encoding.to_owned()));
            encoding.ok().filter(|e| !super::pictures::is_known(e))
        }
        _ => None,
    };
    if let Some(encoding) = &unknown {
        let Stream { topic, schema, messages, .. } = stream;
        notes.push(format!(
            "{topic} ({schema}, {messages} messages) is skipped: pictures of encoding {encoding:?} are not read"
        ));
    }
    unknown.is_none()
}

fn describe(
    file: &Path,
    name: String,
    stream: &Stream,
    store: &Store,
    options: &OpenOptions,
    notes: &mut Vec<String>,
) -> Result<Option<Chosen>, SenseError> {
    let Some(Kind::Sensor(wire, form)) = stream.kind else { return Ok(None) };
    let numbered: Vec<(usize, Timestamp)> = stream.rows.iter().enumerate().map(|(i, r)| (i + 1, r.t)).collect();
    let origin = PathBuf::from(format!("{}: {} (messages counted as lines)", file.display(), stream.topic));
    notes.extend(check_order(&origin, &numbered, options.stamps)?);
    if stream.unstamped > 0 {
        let (unstamped, messages) = (stream.unstamped, stream.messages);
        notes.push(format!(
            "{name}: {unstamped} of {messages} messages have a stamp of zero: the time of logging is taken"
        ));
    }
    let mut frames: Vec<_> = stream.rows.iter().enumerate().map(|(i, row)| (row.t, i as u64, row.place)).collect();
    frames.sort_by_key(|(t, seq, _)| (*t, *seq));
    let mut source = Source { topic: stream.topic.clone(), wire, form, intensity_scale: 1.0 };
    let (mut size, mut encoding) = (None, "points".to_owned());
    match form {
        Form::Points => source.intensity_scale = scale(&name, wire, &frames, store, notes),
        Form::Compressed | Form::Raw => {
            if let Some((found, coded)) = frames.first().and_then(|f| first_picture(&source, f.2, store)) {
                (size, encoding) = (found, coded);
            }
        }
    }
    encoding = format!("{encoding} ({})", stream.schema);
    let frame = stream.frame.clone().unwrap_or_default();
    let logged =
        stream.rows.iter().map(|r| Timestamp::from_nanos(i64::try_from(r.log_ns).unwrap_or(i64::MAX))).collect();
    Ok(Some(Chosen { name, source, frame, size, encoding, frames, logged }))
}

/// Size and encoding of a picture.
fn first_picture(source: &Source, place: Place, store: &Store) -> Option<(Option<(u32, u32)>, String)> {
    let read = store.with(place, |content| match source.form {
        Form::Raw => source.wire.raw(content).map(|r| (Some((r.width, r.height)), r.encoding.to_owned())),
        _ => source.wire.compressed(content).map(|picture| {
            let encoding = crate::decode::encoding_from_bytes(picture.data).map_or("unknown", ImageEncoding::name);
            (size_from_header(picture.data), encoding.to_owned())
        }),
    });
    read.ok()
}

/// The scale of a LiDAR's intensities by its first sweeps.
fn scale(name: &str, wire: Wire, frames: &[(Timestamp, u64, Place)], store: &Store, notes: &mut Vec<String>) -> f64 {
    let mut scales = frames.iter().take(SCALE_SWEEPS).filter_map(|(_, _, place)| {
        store.with(*place, |content| intensity_scale(&wire.points(content)?)).ok().flatten()
    });
    let scale = scales.next().unwrap_or(1.0);
    if scale != 1.0 {
        notes.push(format!("{name}: intensities are divided by {scale}, by what its first sweep shows"));
    }
    scale
}
