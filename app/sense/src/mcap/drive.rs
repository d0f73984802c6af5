//! An MCAP recording as a [`Drive`]: its frames in the order of their stamps, read by place.

use std::fs::File;
use std::path::{Path, PathBuf};

use ocellus_percept::space::{Odom, Rig, Transform, Vehicle};
use ocellus_percept::time::Timestamp;

use super::beside::{align, arrivals};
use super::choose::{Chosen, Source, choose};
use super::clouds::cloud_from_records;
use super::fault::Fault;
use super::index::{Index, Stream, index};
use super::message::{Form, Kind};
use super::pictures::{pack_raw, take_compressed};
use super::rig::{Mounted, build, vehicle_frame};
use super::store::Store;
use super::tree::FrameTree;
use super::{container, motion};
use crate::arrival::{Arrival, DroppedFrame};
use crate::calib;
use crate::drive::{Drive, DriveInfo, DriveKind, Entry, ImuSample, SensorInfo, SensorKind, TimeSource};
use crate::ego::PoseTrack;
use crate::error::{ReadError, SenseError};
use crate::event::Event;
use crate::labels::{Label, LabelSummary};
use crate::payload::Payload;
use crate::probe::OpenOptions;
use crate::truth::TruthFrame;

/// Topics named in a note.
const TOPICS_SHOWN: usize = 20;

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
    events: Vec<Event>,
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
    let (dropped, events) = (std::mem::take(&mut index.dropped), std::mem::take(&mut index.events));
    let parts = Parts { path: path.into(), chosen, rig, rig_source, ego, imu, truth, dropped, events, notes, lost };
    Ok(parts.into_drive(store))
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
    events: Vec<Event>,
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
            events: self.events,
        }
    }
}

impl McapDrive {
    fn origin(&self, source: &Source, t: Timestamp) -> String {
        let (seconds, ns) = (t.as_nanos().div_euclid(1_000_000_000), t.as_nanos().rem_euclid(1_000_000_000));
        format!("{}: {} at {seconds}.{ns:09} s", self.info.path.display(), source.topic)
    }

    fn read_frame(&self, source: &Source, t: Timestamp, content: &[u8], out: &mut Payload) -> Result<(), Fault> {
        if source.form == Form::Points {
            let mut cloud = out.take_cloud();
            cloud_from_records(&source.wire.points(content)?, t, source.intensity_scale, &mut cloud)?;
            *out = Payload::Cloud(cloud);
            return Ok(());
        }
        let mut image = out.take_image();
        image.origin = self.origin(source, t);
        match source.form {
            Form::Raw => pack_raw(&source.wire.raw(content)?, &mut image)?,
            _ => take_compressed(&source.wire.compressed(content)?, &mut image)?,
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

    fn events(&self) -> &[Event] {
        &self.events
    }
}
