//! An MCAP recording as a [`Drive`]: its sensors chosen and named, its frames in the order of their stamps, read by place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use ocellus_percept::space::{Odom, Rig, Transform, Vehicle};
use ocellus_percept::time::Timestamp;

use super::clouds::{cloud_from_records, intensity_scale};
use super::fault::Fault;
use super::index::{Index, Stream, index};
use super::message::{CompressedPicture, Form, Kind, PointRecords, RawPicture, Wire};
use super::names::{base_topic, sensor_names};
use super::pictures::{pack_raw, take_compressed};
use super::rig::{Mounted, build, vehicle_frame};
use super::store::Store;
use super::tree::FrameTree;
use super::{container, foxglove, motion, ros};
use crate::arrival::{Arrival, DroppedFrame};
use crate::calib;
use crate::decode::size_from_header;
use crate::drive::{Drive, DriveInfo, DriveKind, Entry, ImuSample, SensorInfo, SensorKind, TimeSource};
use crate::ego::PoseTrack;
use crate::error::{ReadError, SenseError};
use crate::files::rate_and_gaps;
use crate::labels::{Label, LabelSummary};
use crate::payload::{ImageEncoding, Payload};
use crate::probe::OpenOptions;
use crate::stamps::check_order;
use crate::truth::TruthFrame;

/// Sweeps looked at for the scale of a LiDAR's intensities: the first may be empty.
const SCALE_SWEEPS: usize = 3;
/// Topics named in a note.
const TOPICS_SHOWN: usize = 20;

/// A sensor as it is read.
#[derive(Debug)]
struct Source {
    topic: String,
    wire: Wire,
    form: Form,
    /// What intensities are divided by.
    intensity_scale: f64,
}

/// An MCAP recording.
#[derive(Debug)]
pub(crate) struct McapDrive {
    info: DriveInfo,
    entries: Vec<Entry>,
    places: Vec<container::Place>,
    sources: Vec<Source>,
    store: Store,
    ego: Option<PoseTrack>,
    imu: Vec<ImuSample>,
    /// Aligned with the entries.
    labels: Vec<Option<Vec<Label>>>,
    /// Aligned with the entries.
    arrivals: Vec<Arrival>,
}

/// A chosen stream with what its first frame shows.
struct Chosen {
    name: String,
    source: Source,
    frame: String,
    size: Option<(u32, u32)>,
    encoding: String,
    /// Frames in the order of their stamps: time, number, place.
    frames: Vec<(Timestamp, u64, container::Place)>,
    /// By number: when each was logged.
    logged: Vec<Timestamp>,
}

/// The file of a recording: itself, or the only MCAP file of a folder.
pub(crate) fn file_of(path: &Path) -> PathBuf {
    match crate::files::list_files(path, &["mcap"]).unwrap_or_default().as_slice() {
        [file] => file.clone(),
        _ => path.to_path_buf(),
    }
}

/// Indexes the recording at `path`.
pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<McapDrive, SenseError> {
    let file = file_of(path);
    let mut index = index(&file)?;
    let mut notes = std::mem::take(&mut index.notes);
    let handle = File::open(&file).map_err(SenseError::io(&file, "opening the recording"))?;
    let store = Store::new(handle, std::mem::take(&mut index.walked.chunks));
    let mut chosen = choose(&file, &index, &store, options, &mut notes)?;
    chosen.sort_by(|a, b| (a.source.form.sensor(), &a.name).cmp(&(b.source.form.sensor(), &b.name)));
    if chosen.is_empty() {
        return Err(nothing_to_see(&file, &index));
    }
    note_streams(&index, &chosen, &mut notes);
    let mut tree = FrameTree::default();
    for (link, at) in std::mem::take(&mut index.links) {
        tree.add(link, at);
    }
    notes.append(&mut tree.notes);
    let mounted: Vec<Mounted<'_>> = chosen.iter().map(Chosen::mounted).collect();
    let vehicle = vehicle_frame(&tree, &index, &mounted);
    let vehicle_name = vehicle.as_ref().map(|(name, _)| name.as_str());
    notes.extend(vehicle.as_ref().and_then(|(_, note)| note.clone()));
    let (rig, rig_source) = calibration(&file, &mounted, (&index, &tree, vehicle_name), options, &mut notes)?;
    let ego = motion::ego(&index, &tree, vehicle_name, &mut notes);
    let imu = motion::imu(&index, &tree, vehicle_name, &mut notes);
    let lost = std::mem::take(&mut index.walked.lost);
    let truth = std::mem::take(&mut index.truth);
    let dropped = std::mem::take(&mut index.dropped);
    let parts = Parts { path: path.into(), chosen, rig, rig_source, ego, imu, truth, dropped, notes, lost };
    Ok(parts.into_drive(store))
}

impl Chosen {
    fn mounted(&self) -> Mounted<'_> {
        Mounted {
            name: &self.name,
            kind: self.source.form.sensor(),
            topic: &self.source.topic,
            frame: &self.frame,
            size: self.size,
        }
    }

    fn info(&self) -> SensorInfo {
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

fn calibration(
    file: &Path,
    mounted: &[Mounted<'_>],
    (index, tree, vehicle): (&Index, &FrameTree, Option<&str>),
    options: &OpenOptions,
    notes: &mut Vec<String>,
) -> Result<(Rig, Option<String>), SenseError> {
    if let Some(given) = &options.calib {
        let slots: Vec<_> =
            mounted.iter().map(|m| calib::SensorSlot { name: m.name, kind: m.kind, size: m.size }).collect();
        let lidar = mounted.iter().find(|m| m.kind == SensorKind::Lidar && Some(m.frame) == vehicle).map(|m| m.name);
        return Ok((calib::read_for(given, &slots, lidar, notes)?, Some(given.display().to_string())));
    }
    let rig = build(file, mounted, index, tree, vehicle, notes);
    notes.extend(calib::suspicions(&rig));
    let known = !rig.cameras.is_empty() || !rig.lidars.is_empty();
    Ok((rig, known.then(|| format!("{} (CameraInfo, transforms)", file.display()))))
}

/// Picks the streams that are sensors, one a topic, and names them.
fn choose(
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
            let encoding = store.with(first.place, |content| Ok(raw(wire, content)?.encoding.to_owned()));
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
fn first_picture(source: &Source, place: container::Place, store: &Store) -> Option<(Option<(u32, u32)>, String)> {
    let read = store.with(place, |content| match source.form {
        Form::Raw => raw(source.wire, content).map(|r| (Some((r.width, r.height)), r.encoding.to_owned())),
        _ => compressed(source.wire, content).map(|picture| {
            let encoding = crate::decode::encoding_from_bytes(picture.data).map_or("unknown", ImageEncoding::name);
            (size_from_header(picture.data), encoding.to_owned())
        }),
    });
    read.ok()
}

/// The scale of a LiDAR's intensities by its first sweeps.
fn scale(
    name: &str,
    wire: Wire,
    frames: &[(Timestamp, u64, container::Place)],
    store: &Store,
    notes: &mut Vec<String>,
) -> f64 {
    let mut scales = frames.iter().take(SCALE_SWEEPS).filter_map(|(_, _, place)| {
        store.with(*place, |content| intensity_scale(&points(wire, content)?)).ok().flatten()
    });
    let scale = scales.next().unwrap_or(1.0);
    if scale != 1.0 {
        notes.push(format!("{name}: intensities are divided by {scale}, by what its first sweep shows"));
    }
    scale
}

fn compressed(wire: Wire, content: &[u8]) -> Result<CompressedPicture<'_>, Fault> {
    match wire {
        Wire::Ros => ros::compressed(content),
        Wire::Foxglove => foxglove::compressed(content),
    }
}

fn raw(wire: Wire, content: &[u8]) -> Result<RawPicture<'_>, Fault> {
    match wire {
        Wire::Ros => ros::raw(content),
        Wire::Foxglove => foxglove::raw(content),
    }
}

fn points(wire: Wire, content: &[u8]) -> Result<PointRecords<'_>, Fault> {
    match wire {
        Wire::Ros => ros::points(content),
        Wire::Foxglove => foxglove::points(content),
    }
}

/// Says what is not read and what could not be.
fn note_streams(index: &Index, chosen: &[Chosen], notes: &mut Vec<String>) {
    let skipped: Vec<String> =
        index.streams.iter().filter(|s| s.kind.is_none() && s.messages > 0).map(Stream::label).collect();
    if !skipped.is_empty() {
        notes.push(format!("topics that are not read: {}", shortened(&skipped)));
    }
    for stream in &index.streams {
        let sensor = chosen.iter().find(|c| c.source.topic == stream.topic);
        if let Some((count, why)) = &stream.unreadable
            && (sensor.is_some() || !matches!(stream.kind, Some(Kind::Sensor(..))))
        {
            notes.push(format!("{}: {count} of {} messages cannot be read: {why}", stream.topic, stream.messages));
        }
    }
    if !index.walked.has_summary && index.walked.lost.is_empty() {
        notes.push("the recording has no summary: it was read from its beginning to its end".into());
    }
}

impl Stream {
    /// Topic, schema and encoding, for people.
    fn label(&self) -> String {
        let schema = if self.schema.is_empty() { "no schema" } else { &self.schema };
        format!("{} ({schema}, {})", self.topic, self.encoding)
    }
}

fn shortened(labels: &[String]) -> String {
    let shown = labels.iter().take(TOPICS_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match labels.len().saturating_sub(TOPICS_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn nothing_to_see(file: &Path, index: &Index) -> SenseError {
    let labels: Vec<String> = index.streams.iter().map(Stream::label).collect();
    let mut found = if labels.is_empty() { "no topic".to_owned() } else { shortened(&labels) };
    for lost in &index.walked.lost {
        found = format!("{found}; {lost}");
    }
    SenseError::NotADrive {
        path: file.into(),
        looked_for: "pictures or points in an MCAP recording (sensor_msgs CompressedImage, Image, PointCloud2 in CDR; foxglove CompressedImage, RawImage, PointCloud in protobuf)".into(),
        found,
        hint: String::new(),
    }
}

/// Everything gathered.
struct Parts {
    path: PathBuf,
    chosen: Vec<Chosen>,
    rig: Rig,
    rig_source: Option<String>,
    ego: Option<(PoseTrack, String)>,
    imu: Vec<ImuSample>,
    truth: Vec<TruthFrame>,
    dropped: Vec<DroppedFrame>,
    notes: Vec<String>,
    lost: Vec<String>,
}

impl Parts {
    fn into_drive(self, store: Store) -> McapDrive {
        let sensors: Vec<SensorInfo> = self.chosen.iter().map(Chosen::info).collect();
        let mut order: Vec<(Entry, container::Place)> = Vec::new();
        let (mut sources, mut logged) = (Vec::new(), Vec::new());
        for (sensor, chosen) in self.chosen.into_iter().enumerate() {
            order.extend(chosen.frames.iter().map(|(t, seq, place)| (Entry { t: *t, sensor, seq: *seq }, *place)));
            sources.push(chosen.source);
            logged.push(chosen.logged);
        }
        order.sort_by_key(|(e, _)| (e.t, e.sensor, e.seq));
        let (entries, places): (Vec<Entry>, Vec<_>) = order.into_iter().unzip();
        let labels = align(self.truth, &entries, &sensors);
        let arrivals = arrivals(&self.dropped, &entries, &sensors, &logged);
        let labelled = labels.iter().flatten().map(Vec::as_slice);
        let summary = labels.iter().any(Option::is_some).then(|| LabelSummary::count(labelled));
        let ends = entries.first().zip(entries.last());
        let info = DriveInfo {
            kind: DriveKind::Mcap,
            path: self.path,
            sensors,
            rig: self.rig,
            rig_source: self.rig_source,
            time_source: TimeSource::Recorded,
            duration_s: ends.map_or(0.0, |(first, last)| last.t.seconds_since(first.t)),
            labels: summary,
            ego: self.ego.as_ref().and_then(|(track, source)| track.info(source)),
            notes: self.notes,
            lost: self.lost,
        };
        McapDrive {
            info,
            entries,
            places,
            sources,
            store,
            ego: self.ego.map(|(track, _)| track),
            imu: self.imu,
            labels,
            arrivals,
        }
    }
}

/// Each entry's labels, by camera and stamp.
fn align(truth: Vec<TruthFrame>, entries: &[Entry], sensors: &[SensorInfo]) -> Vec<Option<Vec<Label>>> {
    let mut by_frame: BTreeMap<(String, Timestamp), Vec<Label>> =
        truth.into_iter().map(|frame| ((frame.camera, frame.t), frame.labels)).collect();
    let name = |entry: &Entry| sensors.get(entry.sensor).map_or_else(String::new, |s| s.name.clone());
    entries.iter().map(|entry| by_frame.remove(&(name(entry), entry.t))).collect()
}

/// When each entry was logged (by sensor and number), and whether the recorded run used it.
fn arrivals(
    dropped: &[DroppedFrame],
    entries: &[Entry],
    sensors: &[SensorInfo],
    logged: &[Vec<Timestamp>],
) -> Vec<Arrival> {
    let unused: BTreeSet<(&str, i64)> = dropped.iter().map(|d| (d.sensor.as_str(), d.t_ns)).collect();
    let arrival = |entry: &Entry| {
        let name = sensors.get(entry.sensor).map_or("", |s| s.name.as_str());
        let number = usize::try_from(entry.seq).unwrap_or(usize::MAX);
        let at = logged.get(entry.sensor).and_then(|l| l.get(number)).copied().unwrap_or(entry.t);
        Arrival { at, used: !unused.contains(&(name, entry.t.as_nanos())) }
    };
    entries.iter().map(arrival).collect()
}

impl McapDrive {
    fn origin(&self, source: &Source, t: Timestamp) -> String {
        let (seconds, ns) = (t.as_nanos().div_euclid(1_000_000_000), t.as_nanos().rem_euclid(1_000_000_000));
        format!("{}: {} at {seconds}.{ns:09} s", self.info.path.display(), source.topic)
    }

    fn read_frame(&self, source: &Source, t: Timestamp, content: &[u8], out: &mut Payload) -> Result<(), Fault> {
        if source.form == Form::Points {
            let mut cloud = out.take_cloud();
            cloud_from_records(&points(source.wire, content)?, t, source.intensity_scale, &mut cloud)?;
            *out = Payload::Cloud(cloud);
            return Ok(());
        }
        let mut image = out.take_image();
        image.origin = self.origin(source, t);
        match source.form {
            Form::Raw => pack_raw(&raw(source.wire, content)?, &mut image)?,
            _ => take_compressed(&compressed(source.wire, content)?, &mut image)?,
        }
        *out = Payload::Image(image);
        Ok(())
    }
}

impl Drive for McapDrive {
    fn info(&self) -> &DriveInfo {
        &self.info
    }

    fn labels_at(&self, index: usize) -> Option<&[Label]> {
        self.labels.get(index)?.as_deref()
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn arrival(&self, index: usize) -> Option<Arrival> {
        self.arrivals.get(index).copied()
    }

    fn read_into(&self, index: usize, out: &mut Payload) -> Result<(), ReadError> {
        let found = self.entries.get(index).zip(self.places.get(index));
        let found = found.and_then(|(entry, place)| Some((entry, *place, self.sources.get(entry.sensor)?)));
        let Some((entry, place, source)) = found else {
            return Err(ReadError::NoSuchEntry { index, entries: self.entries.len() });
        };
        let read = self.store.with(place, |content| self.read_frame(source, entry.t, content, out));
        read.map_err(|fault| fault.at(self.origin(source, entry.t)))
    }

    fn odom_from_vehicle(&self, t: Timestamp) -> Option<Transform<Odom, Vehicle>> {
        self.ego.as_ref()?.at(t)
    }

    fn imu(&self) -> &[ImuSample] {
        &self.imu
    }
}
