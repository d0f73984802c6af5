//! Looking into an MCAP recording beside its sensors: what topics it has, and the messages of one topic as bytes.

use std::path::Path;

use ocellus_percept::time::Timestamp;

use super::cdr::Cdr;
use super::container::{Item, walk};
use super::drive::file_of;
use super::fault::Fault;
use super::index::index;
use crate::error::SenseError;

/// One topic in one schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// The topic.
    pub topic: String,
    /// Schema name, such as `sensor_msgs/msg/Image`; empty where there is none.
    pub schema: String,
    /// Encoding of the messages, such as `cdr`.
    pub encoding: String,
    /// Messages that can be used.
    pub messages: usize,
    /// Whether this program reads such messages.
    pub is_read: bool,
}

/// One message as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// When it was logged, nanoseconds since the Unix epoch.
    pub log_ns: u64,
    /// Its bytes, in the channel's encoding.
    pub content: Vec<u8>,
}

/// The topics of the recording at `path` by name, and what of it is lost.
pub fn topics(path: &Path) -> Result<(Vec<TopicInfo>, Vec<String>), SenseError> {
    let index = index(&file_of(path))?;
    let mut topics: Vec<TopicInfo> = index
        .streams
        .into_iter()
        .map(|s| TopicInfo {
            topic: s.topic,
            schema: s.schema,
            encoding: s.encoding,
            messages: s.messages,
            is_read: s.kind.is_some(),
        })
        .collect();
    topics.sort_by(|a, b| (&a.topic, &a.schema).cmp(&(&b.topic, &b.schema)));
    Ok((topics, index.walked.lost))
}

/// All messages of `topic` in the order they were written, for topics of few bytes.
pub fn messages(path: &Path, topic: &str) -> Result<Vec<Recorded>, SenseError> {
    let mut channels = Vec::new();
    let mut found = Vec::new();
    walk(&file_of(path), &mut |item| match item {
        Item::Channel(channel) if channel.topic == topic => channels.push(channel.id),
        Item::Message(channel, log_ns, _, content) if channels.contains(&channel) => {
            found.push(Recorded { log_ns, content: content.to_vec() });
        }
        _ => {}
    })?;
    Ok(found)
}

/// The texts (`std_msgs/String`) of `topic` with their times of logging, such as the truth beside a simulated drive.
pub fn texts(path: &Path, topic: &str) -> Result<Vec<(Timestamp, String)>, SenseError> {
    let unreadable = |number: usize, fault: &Fault| SenseError::Format {
        file: path.into(),
        place: format!("{topic}, message {number}"),
        expected: "a std_msgs/String".into(),
        got: fault.to_string(),
    };
    let recorded = messages(path, topic)?.into_iter().enumerate();
    recorded
        .map(|(number, message)| {
            let text = Cdr::new(&message.content).and_then(|mut cdr| cdr.string("data").map(str::to_owned));
            let log_ns = i64::try_from(message.log_ns).unwrap_or(i64::MAX);
            Ok((Timestamp::from_nanos(log_ns), text.map_err(|fault| unreadable(number, &fault))?))
        })
        .collect()
}
