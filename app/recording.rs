//! Frames of a drive written as an MCAP recording, each with its calibration, pose and truth beside it: what `record`, `world`
//! and the results of a run have in common.
//!
//! Pictures keep their bytes where they are JPEG or PNG and become JPEG where they are pixels. Labels, where the drive has
//! them, go beside as the recording's truth, so that a recording of the simulated world can be judged like the world itself.
//! Frames and topics have the names that [`topics`] gives them, whatever a recording they come from called them.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use ocellus_percept::cloud::Cloud;
use ocellus_percept::image::ImageView;
use ocellus_percept::report::FrameReport;
use ocellus_percept::space::Rig;
use ocellus_percept::time::Timestamp;
use ocellus_sense::truth::{TRUTH_TOPIC, truth_json};
use ocellus_sense::{Drive, EncodedImage, ImageEncoding, Payload};
use ocellus_sinks::mcap::{At, Compression, McapWriter, jpeg_from_image, topics};

use crate::exit;

/// Quality of pictures that are made JPEG: hardly a difference to be seen, a tenth of the bytes.
pub const JPEG_QUALITY: u8 = 88;
/// Calibration is written again this often, for readers that begin in the middle, seconds of logged time.
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

/// A frame or sweep of a drive.
pub struct Framed<'a> {
    /// The drive, for calibration, ego motion and labels.
    pub drive: &'a dyn Drive,
    /// Index of its entry.
    pub entry: usize,
    /// Name of its sensor.
    pub sensor: &'a str,
    /// Sensor time.
    pub t: Timestamp,
    /// When it came; the sensor time where nobody knows.
    pub logged: Timestamp,
}

/// An MCAP file that frames are written to.
pub struct Tape {
    writer: McapWriter,
    /// Quality of pictures that must be coded.
    quality: u8,
    /// The calibration written last, and when.
    rig: Option<(Timestamp, Rig)>,
}

impl Tape {
    /// Makes the file at `path`; one that is there is replaced.
    pub fn create(path: &Path, compression: Compression, quality: u8) -> Result<Self> {
        Ok(Self { writer: McapWriter::create(path, compression)?, quality, rig: None })
    }

    /// The file, for messages of other kinds.
    pub fn writer(&mut self) -> &mut McapWriter {
        &mut self.writer
    }

    /// Writes the frame's calibration where it is due or another than the last. Done by itself before a frame.
    pub fn calibration(&mut self, of: &Framed<'_>) -> Result<()> {
        let rig = of.drive.rig_at(of.entry);
        let due = |(at, last): &(Timestamp, Rig)| of.logged.seconds_since(*at) >= RIG_EVERY_S || last != rig;
        if self.rig.as_ref().is_none_or(due) {
            self.writer.rig(of.logged, rig)?;
            self.rig = Some((of.logged, rig.clone()));
        }
        Ok(())
    }

    /// Writes a picture, where the vehicle was, and what truly was on it where the drive knows.
    pub fn picture(&mut self, of: &Framed<'_>, picture: &EncodedImage) -> Result<()> {
        self.beside(of)?;
        let frame = topics::optical_frame(of.sensor);
        let at = At::new(of.t, &frame).logged_at(of.logged);
        write_picture(&mut self.writer, of.sensor, &at, (picture, self.quality))?;
        if let Some(labels) = of.drive.labels_at(of.entry) {
            self.writer.text(TRUTH_TOPIC, of.t, &truth_json(of.sensor, of.t, labels))?;
        }
        Ok(())
    }

    /// Writes a sweep, and where the vehicle was.
    pub fn sweep(&mut self, of: &Framed<'_>, cloud: &Cloud) -> Result<()> {
        self.beside(of)?;
        let frame = topics::lidar_frame(of.sensor);
        let at = At::new(of.t, &frame).logged_at(of.logged);
        Ok(self.writer.points(&topics::points(of.sensor), &at, cloud)?)
    }

    /// Writes what perception says of a frame.
    pub fn report(&mut self, report: &FrameReport, rig: &Rig) -> Result<()> {
        Ok(self.writer.report(report, rig)?)
    }

    fn beside(&mut self, of: &Framed<'_>) -> Result<()> {
        self.calibration(of)?;
        if let Some(pose) = of.drive.odom_from_vehicle(of.t) {
            self.writer.odometry(of.t, &pose, None)?;
        }
        Ok(())
    }

    /// Gives all that was written to the operating system.
    pub fn flush(&mut self) -> Result<()> {
        Ok(self.writer.flush()?)
    }

    /// Closes the file; the number of messages in it.
    pub fn finish(self) -> Result<u64> {
        Ok(self.writer.finish()?)
    }
}

/// Refuses to write over what is being read. The error carries exit code 2.
pub fn refuse_own_source(source: &Path, out: &Path) -> Result<()> {
    let same = source.canonicalize().ok().is_some_and(|source| out.canonicalize().is_ok_and(|out| out == source));
    if same {
        let message = "is what is read and would be written over; choose another file";
        return Err(exit::usage(anyhow!("{} {message}", out.display())));
    }
    Ok(())
}

/// Writes all of `drive` to `path`, pictures that must be coded in JPEG `quality`. `progress` is told the entries done and
/// their number; `stopping` ends early and orderly.
pub fn record(
    drive: &dyn Drive,
    (path, quality): (&Path, u8),
    progress: &mut dyn FnMut(usize, usize),
    stopping: &dyn Fn() -> bool,
) -> Result<Recorded> {
    refuse_own_source(&drive.info().path, path)?;
    let mut tape = Tape::create(path, Compression::default(), quality)?;
    let mut recorded = Recorded::default();
    let mut payload = Payload::default();
    let entries = drive.entries();
    for (index, entry) in entries.iter().enumerate() {
        if stopping() {
            break;
        }
        progress(index, entries.len());
        let sensor = drive.info().sensors[entry.sensor].name.as_str();
        let of = Framed { drive, entry: index, sensor, t: entry.t, logged: entry.t };
        tape.calibration(&of)?;
        if let Err(error) = drive.read_into(index, &mut payload) {
            eprintln!("lost: {error}");
            recorded.lost += 1;
            continue;
        }
        match &payload {
            Payload::Image(picture) => tape.picture(&of, picture)?,
            Payload::Cloud(cloud) => tape.sweep(&of, cloud)?,
        }
        recorded.frames += 1;
    }
    progress(entries.len(), entries.len());
    recorded.messages = tape.finish()?;
    recorded.bytes = std::fs::metadata(path).with_context(|| path.display().to_string())?.len();
    Ok(recorded)
}

/// Writes one picture as it is coded, or as JPEG of `quality` where it is pixels.
pub fn write_picture(
    writer: &mut McapWriter,
    camera: &str,
    at: &At<'_>,
    (picture, quality): (&EncodedImage, u8),
) -> Result<()> {
    let topic = topics::compressed_picture(camera);
    match picture.encoding {
        ImageEncoding::Jpeg => writer.compressed_image(&topic, at, "jpeg", &picture.bytes)?,
        ImageEncoding::Png => writer.compressed_image(&topic, at, "png", &picture.bytes)?,
        ImageEncoding::Raw { format, width, height } => {
            let view = ImageView::new(width as usize, height as usize, format, &picture.bytes)?;
            writer.compressed_image(&topic, at, "jpeg", &jpeg_from_image(view, quality)?)?;
        }
    }
    Ok(())
}
