//! A drive written as an MCAP recording: what `record` and `world` do.
//!
//! Pictures keep their bytes where they are JPEG or PNG and become JPEG where they are pixels. Labels, where the drive has
//! them, go beside as the recording's truth, so that a recording of the simulated world can be judged like the world itself.

use std::path::Path;

use anyhow::{Context, Result};
use ocellus_percept::image::ImageView;
use ocellus_sense::truth::{TRUTH_TOPIC, truth_json};
use ocellus_sense::{Drive, EncodedImage, ImageEncoding, Payload};
use ocellus_sinks::mcap::{At, Compression, McapWriter, jpeg_from_image, topics};

/// Quality of pictures that are made JPEG: hardly a difference to be seen, a tenth of the bytes.
pub const JPEG_QUALITY: u8 = 88;
/// Intrinsics are written again this often, for readers that begin in the middle, seconds of sensor time.
const RIG_EVERY_S: f64 = 5.0;

/// What a recording holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recorded {
    /// Messages written.
    pub messages: u64,
    /// Frames and sweeps written.
    pub frames: u64,
    /// Entries that could not be read.
    pub lost: u64,
    /// Size of the file.
    pub bytes: u64,
}

/// Writes all of `drive` to `path`, pictures that must be coded in JPEG `quality`. `progress` is told the entries done and their number; `stopping` ends early and orderly.
pub fn record(
    drive: &dyn Drive,
    (path, quality): (&Path, u8),
    progress: &mut dyn FnMut(usize, usize),
    stopping: &dyn Fn() -> bool,
) -> Result<Recorded> {
    let mut writer = McapWriter::create(path, Compression::default())?;
    let mut recorded = Recorded::default();
    let mut payload = Payload::default();
    let mut rig_written = None;
    let entries = drive.entries();
    for (index, entry) in entries.iter().enumerate() {
        if stopping() {
            break;
        }
        progress(index, entries.len());
        let rig = drive.rig_at(index);
        if rig_written.is_none_or(|(t, last)| entry.t.seconds_since(t) >= RIG_EVERY_S || last != rig) {
            writer.rig(entry.t, rig)?;
            rig_written = Some((entry.t, rig));
        }
        if let Err(error) = drive.read_into(index, &mut payload) {
            eprintln!("lost: {error}");
            recorded.lost += 1;
            continue;
        }
        if let Some(pose) = drive.odom_from_vehicle(entry.t) {
            writer.odometry(entry.t, &pose, None)?;
        }
        let sensor = &drive.info().sensors[entry.sensor];
        match &payload {
            Payload::Image(picture) => {
                write_picture(&mut writer, &sensor.name, entry.t, (picture, quality))?;
                if let Some(labels) = drive.labels_at(index) {
                    writer.text(TRUTH_TOPIC, entry.t, &truth_json(&sensor.name, entry.t, labels))?;
                }
            }
            Payload::Cloud(cloud) => {
                let frame = topics::lidar_frame(&sensor.name);
                writer.points(&topics::points(&sensor.name), &At::new(entry.t, &frame), cloud)?;
            }
        }
        recorded.frames += 1;
    }
    progress(entries.len(), entries.len());
    recorded.messages = writer.finish()?;
    recorded.bytes = std::fs::metadata(path).with_context(|| path.display().to_string())?.len();
    Ok(recorded)
}

/// Writes one picture as it is coded, or as JPEG of `quality` where it is pixels.
pub fn write_picture(
    writer: &mut McapWriter,
    camera: &str,
    t: ocellus_percept::time::Timestamp,
    (picture, quality): (&EncodedImage, u8),
) -> Result<()> {
    let frame = topics::optical_frame(camera);
    let at = At::new(t, &frame);
    let topic = topics::compressed_picture(camera);
    match picture.encoding {
        ImageEncoding::Jpeg => writer.compressed_image(&topic, &at, "jpeg", &picture.bytes)?,
        ImageEncoding::Png => writer.compressed_image(&topic, &at, "png", &picture.bytes)?,
        ImageEncoding::Raw { format, width, height } => {
            let view = ImageView::new(width as usize, height as usize, format, &picture.bytes)?;
            writer.compressed_image(&topic, &at, "jpeg", &jpeg_from_image(view, quality)?)?;
        }
    }
    Ok(())
}
