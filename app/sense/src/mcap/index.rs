//! What an MCAP file holds, gathered in one walk: channels by topic, the place and time of every frame, and the whole of what
//! is small (intrinsics, transforms, poses, turn rates).

use std::collections::BTreeMap;
use std::path::Path;

use ocellus_percept::time::Timestamp;

use super::cdr::Cdr;
use super::container::{Item, Place, Walked, walk};
use super::fault::Fault;
use super::message::{CameraMessage, Form, Head, ImuMessage, Kind, Link, OdometryMessage, Wire};
use super::{foxglove, ros};
use crate::arrival::DroppedFrame;
use crate::error::SenseError;
use crate::event::Event;
use crate::truth::{TruthFrame, parse_truth};

/// One frame of a sensor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) t: Timestamp,
    pub(crate) log_ns: u64,
    pub(crate) place: Place,
}

/// What was sent on one topic in one schema and encoding, by any number of channels.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) topic: String,
    pub(crate) schema: String,
    pub(crate) encoding: String,
    pub(crate) kind: Option<Kind>,
    pub(crate) messages: usize,
    /// Of sensors.
    pub(crate) rows: Vec<Row>,
    /// The frame of a sensor's first message.
    pub(crate) frame: Option<String>,
    /// Messages without a stamp, whose time of logging is taken.
    pub(crate) unstamped: usize,
    /// Messages that could not be read, and why the first could not.
    pub(crate) unreadable: Option<(usize, String)>,
    /// Of intrinsics: the first, and how many differ from it.
    pub(crate) camera: Option<(CameraMessage, usize)>,
}

/// All of a file's streams and what they said.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) streams: Vec<Stream>,
    /// Links with the stream and, where not static, the time.
    pub(crate) links: Vec<(Link, Option<Timestamp>)>,
    /// Poses with the stream they came on.
    pub(crate) poses: Vec<(usize, Timestamp, OdometryMessage)>,
    /// Turn rates with the stream they came on.
    pub(crate) imu: Vec<(usize, Timestamp, ImuMessage)>,
    /// Labels of camera frames.
    pub(crate) truth: Vec<TruthFrame>,
    /// Frames that the recorded run did not use.
    pub(crate) dropped: Vec<DroppedFrame>,
    /// What the recording was kept for.
    pub(crate) events: Vec<Event>,
    pub(crate) walked: Walked,
    pub(crate) notes: Vec<String>,
}

/// Gathers the streams of the file at `path`.
pub(crate) fn index(path: &Path) -> Result<Index, SenseError> {
    let mut gatherer = Gatherer::default();
    let walked = walk(path, &mut |item| gatherer.take(item))?;
    let Gatherer { mut index, orphans, .. } = gatherer;
    index.walked = walked;
    if orphans > 0 {
        index.walked.lost.push(format!("{orphans} messages belong to channels that are described nowhere"));
    }
    for stream in &mut index.streams {
        // Recorders write in the order of arrival, and several chunks may overlap.
        stream.rows.sort_by_key(|row| row.log_ns);
    }
    Ok(index)
}

/// The time of a message: its stamp, else when it was logged.
fn time(stamp: Option<Timestamp>, log_ns: u64) -> Timestamp {
    stamp.unwrap_or_else(|| Timestamp::from_nanos(i64::try_from(log_ns).unwrap_or(i64::MAX)))
}

#[derive(Default)]
struct Gatherer {
    index: Index,
    schemas: BTreeMap<u16, (String, String)>,
    /// Channel id to stream.
    channels: BTreeMap<u16, usize>,
    orphans: usize,
}

impl Gatherer {
    fn take(&mut self, item: Item<'_>) {
        match item {
            Item::Schema(id, name, encoding) => {
                let known = self.schemas.entry(id).or_insert_with(|| (name.clone(), encoding));
                if known.0 != name {
                    let note = format!("schema {id} is both {} and {name}: the first is used", known.0);
                    self.index.notes.push(note);
                }
            }
            Item::Channel(channel) => self.channel(&channel),
            Item::Message(channel, log_ns, place, content) => match self.channels.get(&channel) {
                Some(&stream) => self.message(stream, log_ns, place, content),
                None => self.orphans += 1,
            },
        }
    }

    fn channel(&mut self, channel: &mcap::records::Channel) {
        let schema = self.schemas.get(&channel.schema_id).map_or_else(String::new, |(name, _)| name.clone());
        let streams = &mut self.index.streams;
        let is_this =
            |s: &Stream| s.topic == channel.topic && s.schema == schema && s.encoding == channel.message_encoding;
        let stream = streams.iter().position(is_this).unwrap_or_else(|| {
            streams.push(Stream {
                topic: channel.topic.clone(),
                kind: Kind::of(&channel.topic, &schema, &channel.message_encoding),
                schema,
                encoding: channel.message_encoding.clone(),
                messages: 0,
                rows: Vec::new(),
                frame: None,
                unstamped: 0,
                unreadable: None,
                camera: None,
            });
            streams.len() - 1
        });
        let known = *self.channels.entry(channel.id).or_insert(stream);
        if known != stream {
            let note =
                format!("channel {} changes its topic or schema to {}: the first is used", channel.id, channel.topic);
            self.index.notes.push(note);
        }
    }

    fn message(&mut self, index: usize, log_ns: u64, place: Place, content: &[u8]) {
        let Some(stream) = self.index.streams.get_mut(index) else { return };
        stream.messages += 1;
        let Some(kind) = stream.kind else { return };
        if let Err(fault) = self.read(index, kind, log_ns, place, content)
            && let Some(stream) = self.index.streams.get_mut(index)
        {
            let unreadable = stream.unreadable.get_or_insert((0, fault.to_string()));
            unreadable.0 += 1;
        }
    }

    fn read(&mut self, index: usize, kind: Kind, log_ns: u64, place: Place, content: &[u8]) -> Result<(), Fault> {
        match kind {
            Kind::Sensor(wire, form) => {
                let head = sensor_head(wire, form, content);
                let Some(stream) = self.index.streams.get_mut(index) else { return Ok(()) };
                let stamp = head.as_ref().ok().and_then(|h| h.stamp);
                // A frame whose head cannot be read is still a frame that was recorded: reading it says what is wrong.
                stream.rows.push(Row { t: time(stamp, log_ns), log_ns, place });
                let head = head?;
                stream.unstamped += usize::from(head.stamp.is_none());
                stream.frame.get_or_insert_with(|| super::message::frame_name(head.frame));
            }
            Kind::CameraInfo(wire) => {
                let message = match wire {
                    Wire::Ros => ros::camera_info(content)?,
                    Wire::Foxglove => foxglove::camera_info(content)?,
                };
                let Some(stream) = self.index.streams.get_mut(index) else { return Ok(()) };
                match &mut stream.camera {
                    Some((first, differing)) => *differing += usize::from(*first != message),
                    None => stream.camera = Some((message, 0)),
                }
            }
            Kind::Transforms(Wire::Ros) => self.links(index, ros::transforms(content)?, log_ns),
            Kind::Transforms(Wire::Foxglove) => self.links(index, foxglove::transforms(content)?, log_ns),
            Kind::Transform => self.links(index, vec![foxglove::transform(content)?], log_ns),
            Kind::Odometry => {
                let message = ros::odometry(content)?;
                self.index.poses.push((index, time(message.stamp, log_ns), message));
            }
            Kind::Truth => {
                let frame = told(content, "truth message", "labels of a camera frame", parse_truth)?;
                self.index.truth.push(frame);
            }
            Kind::Dropped => {
                self.index
                    .dropped
                    .push(told(content, "dropped message", "sensor, t_ns, reason", |text| serde_json::from_str(text))?)
            }
            Kind::Event => {
                self.index.events.push(told(content, "event message", "a warning", |text| serde_json::from_str(text))?)
            }
            Kind::Imu => {
                let message = ros::imu(content)?;
                self.index.imu.push((index, time(message.stamp, log_ns), message));
            }
        }
        Ok(())
    }

    fn links(&mut self, index: usize, links: Vec<Link>, log_ns: u64) {
        let is_static = self.index.streams.get(index).is_some_and(|s| s.topic.ends_with("static"));
        let timed = links.into_iter().map(|link| {
            let at = (!is_static).then(|| time(link.stamp, log_ns));
            (link, at)
        });
        self.index.links.extend(timed);
    }
}

/// What a `std_msgs/String` of JSON tells.
fn told<T>(
    content: &[u8],
    message: &'static str,
    expected: &'static str,
    parse: impl Fn(&str) -> Result<T, serde_json::Error>,
) -> Result<T, Fault> {
    parse(Cdr::new(content)?.string("data")?).map_err(|e| Fault::value(message, expected, e.to_string()))
}

fn sensor_head(wire: Wire, form: Form, content: &[u8]) -> Result<Head<'_>, Fault> {
    let frame_field = match (wire, form) {
        (Wire::Ros, _) => return ros::head(content),
        (Wire::Foxglove, Form::Compressed) => foxglove::COMPRESSED_FRAME,
        (Wire::Foxglove, Form::Raw) => foxglove::RAW_FRAME,
        (Wire::Foxglove, Form::Points) => foxglove::POINTS_FRAME,
    };
    foxglove::head(content, frame_field)
}
