//! What networks are measured on: pictures with their truth, from COCO folders, drives and the simulated world, as one set.
//!
//! Frame i of a set is image i of its truth. Pictures of files and recordings are read when they are asked for; rendered
//! ones are held. Without labels `labelled` is false and the truth lists images alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use ocellus_infer::digest::sha256_of_bytes;
use ocellus_judge::coco::{GroundTruth, ImageInfo};
use ocellus_percept::image::Image;
use ocellus_sense::{Drive, EncodedImage, OpenOptions, Payload, SensorKind};
use ocellus_world::ObjectTruth;

use super::{labels, worlds};
use crate::exit;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct DataRequest {
    /// COCO folders, drives, `world:SCENARIO@SEEDS`.
    pub sources: Vec<String>,
    /// COCO ground truth for a folder of pictures.
    pub gt: Option<PathBuf>,
    /// Frames at most, spread evenly over what there is; all where `None` (of worlds [`worlds::FRAMES_EACH`] a seed).
    pub frames: Option<usize>,
    /// Whether depth and instance maps of rendered pictures are kept.
    pub maps: bool,
}

/// Pictures and their truth.
pub struct Data {
    /// What was asked for, as written.
    pub sources: Vec<String>,
    /// Images, categories, objects.
    pub truth: GroundTruth,
    /// Whether the truth knows objects.
    pub labelled: bool,
    /// By image of the truth.
    pub frames: Vec<Frame>,
    /// SHA-256 over pictures (or how they are rendered) and labels.
    pub sha256: String,
    /// What was assumed or left out.
    pub notes: Vec<String>,
}

/// One picture.
pub struct Frame {
    /// For people: a file, or a drive's sensor and number.
    pub name: String,
    /// Index of the drive, folder or world it belongs to.
    pub sequence: usize,
    /// Seconds from the sequence's first picture, where it has times.
    pub t_s: Option<f64>,
    /// The pixels, or where they are.
    pub picture: Picture,
    /// What only the simulated world knows.
    pub rendered: Option<Arc<Rendered>>,
}

/// Where pixels come from.
pub enum Picture {
    /// A JPEG or PNG file.
    File(PathBuf),
    /// An entry of a drive.
    Entry(Arc<dyn Drive>, usize),
    /// Pixels.
    Held(Image),
}

/// What only the simulated world knows of a picture.
pub struct Rendered {
    /// Focal length of the camera, pixels.
    pub focal_px: f64,
    /// Metres along the optical axis, row-major; empty unless asked for.
    pub depth_m: Vec<f32>,
    /// Instance at each pixel, 0 for none; empty unless asked for.
    pub instance: Vec<u16>,
    /// The objects.
    pub objects: Vec<ObjectTruth>,
}

/// Frames of one source before they are numbered.
pub(super) struct Part {
    pub(super) frames: Vec<(Frame, ImageInfo)>,
    pub(super) truth: Option<labels::Labelled>,
    /// What the hash covers.
    pub(super) fingerprint: String,
    pub(super) notes: Vec<String>,
}

impl Frame {
    /// Focal length of the camera, pixels, where the data know it.
    pub fn focal_px(&self) -> Option<f64> {
        match (&self.rendered, &self.picture) {
            (Some(rendered), _) => Some(rendered.focal_px),
            (None, Picture::Entry(drive, entry)) => {
                let sensor = drive.entries().get(*entry)?.sensor;
                let camera = drive.info().sensors.get(sensor)?;
                Some(drive.rig_at(*entry).cameras.get(&camera.name)?.camera.fx)
            }
            _ => None,
        }
    }

    /// Reads the picture into `out`.
    pub fn read(&self, out: &mut Image) -> Result<()> {
        match &self.picture {
            Picture::File(path) => read_picture(path, out),
            Picture::Entry(drive, entry) => match drive.read(*entry)? {
                Payload::Image(picture) => Ok(ocellus_sense::decode_image(&picture, out)?),
                Payload::Cloud(_) => Err(anyhow!("{}: a sweep, not a picture", self.name)),
            },
            Picture::Held(image) => {
                out.clone_from(image);
                Ok(())
            }
        }
    }
}

/// Decodes a JPEG or PNG file.
pub fn read_picture(path: &Path, out: &mut Image) -> Result<()> {
    let bytes = std::fs::read(path)?;
    let picture = EncodedImage {
        origin: path.display().to_string(),
        encoding: ocellus_sense::encoding_from_bytes(&bytes).context("neither JPEG nor PNG")?,
        bytes,
    };
    Ok(ocellus_sense::decode_image(&picture, out)?)
}

impl Data {
    /// Opens all sources. Errors carry exit code 2.
    pub fn open(request: &DataRequest) -> Result<Self> {
        Self::gather(request).map_err(exit::usage)
    }

    fn gather(request: &DataRequest) -> Result<Self> {
        if request.sources.is_empty() {
            return Err(anyhow!(
                "nothing to measure on: give --data DRIVE, --data FOLDER or --data world:SCENARIO@SEEDS"
            ));
        }
        let mut parts = Vec::new();
        for (sequence, source) in request.sources.iter().enumerate() {
            parts.push(open_part(source, sequence, request).with_context(|| source.clone())?);
        }
        Self::join(request, parts)
    }

    /// Numbers the frames of all parts from 1 where there are several, and thins them to what was asked for.
    fn join(request: &DataRequest, parts: Vec<Part>) -> Result<Self> {
        let several = parts.len() > 1;
        let mut data = Self {
            sources: request.sources.clone(),
            truth: GroundTruth::default(),
            labelled: parts.iter().any(|p| p.truth.is_some()),
            frames: Vec::new(),
            sha256: String::new(),
            notes: Vec::new(),
        };
        let total: usize = parts.iter().map(|p| p.frames.len()).sum();
        let limit = request.frames.unwrap_or(total).clamp(1, total.max(1));
        let mut fingerprint = format!("{limit} of {total}\n");
        let (mut seen, mut kept) = (0, 0);
        for part in parts {
            fingerprint += &part.fingerprint;
            data.notes.extend(part.notes);
            let labelled = part.truth.is_some();
            let mut truth = part.truth.unwrap_or_default();
            for (index, (frame, mut info)) in part.frames.into_iter().enumerate() {
                seen += 1;
                // The k-th kept frame is the first at or beyond its even share.
                if seen * limit < (kept + 1) * total {
                    continue;
                }
                kept += 1;
                let image = data.frames.len();
                if several {
                    info.id = image as i64 + 1;
                }
                if labelled {
                    truth.move_into(index, image, &mut data.truth);
                }
                data.truth.images.push(info);
                data.frames.push(frame);
            }
            data.truth.findings.extend(&truth.findings);
        }
        data.sha256 = sha256_of_bytes(fingerprint.as_bytes());
        if data.frames.is_empty() {
            return Err(anyhow!("no picture to measure on"));
        }
        Ok(data)
    }

    /// Objects that count: no crowds.
    pub fn objects(&self) -> usize {
        self.truth.objects.iter().filter(|o| !o.crowd).count()
    }

    /// The median pictures a second of its sequences, where they have times.
    pub fn rate_hz(&self) -> Option<f64> {
        let pairs = self.frames.iter().zip(self.frames.iter().skip(1)).filter(|(a, b)| a.sequence == b.sequence);
        let mut steps: Vec<f64> = pairs.filter_map(|(a, b)| Some(b.t_s? - a.t_s?)).filter(|dt| *dt > 0.0).collect();
        steps.sort_by(f64::total_cmp);
        steps.get(steps.len() / 2).map(|dt| 1.0 / dt)
    }
}

fn open_part(source: &str, sequence: usize, request: &DataRequest) -> Result<Part> {
    if let Some(world) = source.strip_prefix(worlds::PREFIX) {
        return worlds::part(world, sequence, request);
    }
    let path = Path::new(source);
    if let Some(gt) = request.gt.clone().or_else(|| labels::coco_beside(path)) {
        return labels::coco_part(path, &gt, sequence);
    }
    let drive: Arc<dyn Drive> = Arc::from(ocellus_sense::open(path, &OpenOptions::default())?);
    drive_part(&drive, sequence)
}

/// The pictures of a drive, with its labels where it has some.
fn drive_part(drive: &Arc<dyn Drive>, sequence: usize) -> Result<Part> {
    let info = drive.info();
    let is_camera = |sensor: usize| info.sensors.get(sensor).is_some_and(|s| s.kind == SensorKind::Camera);
    let entries: Vec<usize> =
        drive.entries().iter().enumerate().filter(|(_, e)| is_camera(e.sensor)).map(|(i, _)| i).collect();
    if entries.is_empty() {
        return Err(anyhow!("the drive has no pictures"));
    }
    let first = drive.entries()[entries[0]].t;
    let mut frames = Vec::with_capacity(entries.len());
    let mut fingerprint = format!("{}\n", info.kind);
    for (i, &entry) in entries.iter().enumerate() {
        let at = drive.entries()[entry];
        let sensor = &info.sensors[at.sensor];
        fingerprint += &format!("{} {} {}\n", sensor.name, at.seq, at.t.as_nanos());
        let frame = Frame {
            name: format!("{} {}", sensor.name, at.seq),
            sequence,
            t_s: Some(at.t.seconds_since(first)),
            picture: Picture::Entry(Arc::clone(drive), entry),
            rendered: None,
        };
        let size = sensor.resolution_px.map(|(w, h)| (h, w));
        frames.push((frame, ImageInfo { id: i as i64 + 1, size, file_name: String::new(), tags: Vec::new() }));
    }
    let truth = info.labels.is_some().then(|| labels::of_drive(drive.as_ref(), &entries));
    if let Some(truth) = &truth {
        fingerprint += &truth.fingerprint();
    }
    Ok(Part { frames, truth, fingerprint, notes: info.notes.clone() })
}
