//! Truth for measuring, from what data sets say: COCO's files beside pictures, and labels of drives.
//!
//! Classes are matched by name. Regions in which nothing is known (`DontCare`), objects hardly to be seen, and classes
//! that mean two things at once become crowds: what is detected there is neither right nor wrong.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use ocellus_infer::digest::sha256_of_bytes;
use ocellus_judge::coco::{Category, GroundTruth, TruthObject};
use ocellus_judge::detect::distance_tag;
use ocellus_judge::findings::Findings;
use ocellus_percept::detection::BoxPx;
use ocellus_sense::Drive;
use ocellus_sense::labels::Label;

use super::data::{Frame, Part, Picture};

/// Objects of one source; image numbers count its frames.
#[derive(Debug, Default)]
pub(super) struct Labelled {
    /// By frame.
    objects: Vec<Vec<Marked>>,
    /// Category names with the id the file gives, where it does.
    categories: BTreeMap<String, Option<i64>>,
    pub(super) findings: Findings,
}

/// One object, its class by name.
#[derive(Debug, Clone)]
pub(super) struct Marked {
    pub(super) class: String,
    pub(super) object: TruthObject,
}

/// What a data set's class name means to detectors of COCO's classes.
pub(super) enum Meaning {
    /// A class.
    Class(String),
    /// Some of these, and nobody knows which: a crowd of each.
    Unclear(&'static [&'static str]),
    /// Anything may be here.
    Anything,
}

/// Data sets' names for what detectors call otherwise.
pub(super) fn meaning(label: &str) -> Meaning {
    let name = label.to_lowercase();
    Meaning::Class(
        match name.as_str() {
            "pedestrian" | "person_sitting" => "person",
            "tram" => "train",
            // Rider and machine in one box.
            "cyclist" => return Meaning::Unclear(&["person", "bicycle"]),
            // COCO calls them cars or trucks, as they look.
            "van" => return Meaning::Unclear(&["car", "truck"]),
            "dontcare" | "misc" => return Meaning::Anything,
            other => other,
        }
        .to_owned(),
    )
}

impl Labelled {
    pub(super) fn with_frames(frames: usize) -> Self {
        Self { objects: vec![Vec::new(); frames], ..Self::default() }
    }

    /// Adds a class that may be looked for although no object of it is there.
    pub(super) fn know(&mut self, class: &str) {
        self.categories.entry(class.to_owned()).or_default();
    }

    pub(super) fn add(&mut self, frame: usize, class: &str, object: TruthObject) {
        self.know(class);
        if let Some(list) = self.objects.get_mut(frame) {
            list.push(Marked { class: class.to_owned(), object });
        }
    }

    /// Adds a box in which no class is judged.
    fn add_anything(&mut self, frame: usize, object: &TruthObject) {
        let known: Vec<String> = self.categories.keys().cloned().collect();
        for class in known {
            self.add(frame, &class, TruthObject { crowd: true, ..object.clone() });
        }
    }

    /// Hands the objects of `frame` over as those of image `image` of `truth`.
    pub(super) fn move_into(&mut self, frame: usize, image: usize, truth: &mut GroundTruth) {
        if truth.categories.is_empty() || !self.categories.keys().all(|c| truth.categories.iter().any(|k| k.name == *c))
        {
            self.number(truth);
        }
        for Marked { class, mut object } in self.objects.get_mut(frame).map(std::mem::take).unwrap_or_default() {
            let Some(category) = truth.categories.iter().position(|c| c.name == class) else { continue };
            (object.image, object.category) = (image, category);
            object.id = truth.objects.len() as i64 + 1;
            truth.objects.push(object);
        }
    }

    /// Adds the classes that `truth` does not know. Ids stay ascending: the file's own where the truth is still empty.
    fn number(&self, truth: &mut GroundTruth) {
        let mut classes: Vec<(&String, Option<i64>)> = self.categories.iter().map(|(c, id)| (c, *id)).collect();
        if truth.categories.is_empty() && classes.iter().all(|(_, id)| id.is_some()) {
            classes.sort_by_key(|(_, id)| *id);
        }
        for (name, id) in classes {
            if truth.categories.iter().any(|c| c.name == *name) {
                continue;
            }
            let next = truth.categories.last().map_or(1, |c| c.id + 1);
            truth.categories.push(Category { id: id.filter(|id| *id >= next).unwrap_or(next), name: name.clone() });
        }
    }

    /// Text of all labels, for a hash.
    pub(super) fn fingerprint(&self) -> String {
        let line = |(i, m): (usize, &Marked)| format!("{i} {} {:?} {}\n", m.class, m.object.bbox, m.object.crowd);
        self.objects.iter().enumerate().flat_map(|(i, list)| list.iter().map(move |m| (i, m))).map(line).collect()
    }
}

/// An object of a box in pixels; image and category are given when it is moved into a truth.
pub(super) fn object(bbox: &BoxPx, crowd: bool, tags: Vec<String>) -> TruthObject {
    let [x, y] = [bbox.x0, bbox.y0].map(f64::from);
    let (w, h) = (f64::from(bbox.x1) - x, f64::from(bbox.y1) - y);
    TruthObject { id: 0, image: 0, category: 0, bbox: [x, y, w, h], area: w * h, crowd, segmentation: None, tags }
}

/// The labels of a drive's pictures.
pub(super) fn of_drive(drive: &dyn Drive, entries: &[usize]) -> Labelled {
    let mut truth = Labelled::with_frames(entries.len());
    for class in drive.info().labels.iter().flat_map(|l| l.classes.keys()) {
        match meaning(class) {
            Meaning::Class(class) if class != UNKNOWN => truth.know(&class),
            Meaning::Unclear(classes) => classes.iter().for_each(|c| truth.know(c)),
            _ => {}
        }
    }
    for (frame, &entry) in entries.iter().enumerate() {
        for label in drive.labels_at(entry).unwrap_or_default() {
            add_label(&mut truth, frame, label);
        }
    }
    truth
}

/// Obstacles without a class: no detector is asked for them.
const UNKNOWN: &str = "unknown";

fn add_label(truth: &mut Labelled, frame: usize, label: &Label) {
    let Some(bbox) = label.box_px else { return };
    let tags = label_tags(label);
    match meaning(&label.class) {
        Meaning::Class(class) if class == UNKNOWN => {}
        Meaning::Class(class) => truth.add(frame, &class, object(&bbox, false, tags)),
        Meaning::Unclear(classes) => {
            classes.iter().for_each(|c| truth.add(frame, c, object(&bbox, true, tags.clone())))
        }
        Meaning::Anything => truth.add_anything(frame, &object(&bbox, true, tags)),
    }
}

fn label_tags(label: &Label) -> Vec<String> {
    let occluded = match label.occluded {
        Some(0) => Some("occlusion none"),
        Some(1) => Some("occlusion part"),
        Some(2) => Some("occlusion heavy"),
        _ => None,
    };
    let distance = label.cuboid.as_ref().and_then(|c| distance_tag(c.centre().range_m()));
    occluded.map(str::to_owned).into_iter().chain(distance).collect()
}

/// The ground truth that lies beside pictures as COCO lays it out: the only `annotations/instances*.json`.
pub(super) fn coco_beside(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder.join("annotations")).ok()?;
    let name = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("instances"));
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(name).collect();
    if files.len() == 1 { files.pop() } else { None }
}

/// Pictures of a folder (or its folders) with COCO ground truth.
pub(super) fn coco_part(folder: &Path, gt: &Path, sequence: usize) -> Result<Part> {
    let text = std::fs::read_to_string(gt).with_context(|| gt.display().to_string())?;
    let truth = GroundTruth::parse(&text).with_context(|| gt.display().to_string())?;
    let mut labelled = Labelled { findings: truth.findings.clone(), ..Labelled::default() };
    labelled.categories = truth.categories.iter().map(|c| (c.name.clone(), Some(c.id))).collect();
    let mut by_image: Vec<Vec<Marked>> = vec![Vec::new(); truth.images.len()];
    for object in truth.objects {
        let class = truth.categories.get(object.category).map_or_else(String::new, |c| c.name.clone());
        if let Some(list) = by_image.get_mut(object.image) {
            list.push(Marked { class, object });
        }
    }
    let mut frames = Vec::new();
    let mut fingerprint = format!("{}\n", sha256_of_bytes(text.as_bytes()));
    let (mut missing, mut first) = (0, String::new());
    for (info, objects) in truth.images.into_iter().zip(by_image) {
        let Some(path) = find(folder, &info.file_name, info.id) else {
            if missing == 0 {
                first = if info.file_name.is_empty() { format!("image {}", info.id) } else { info.file_name.clone() };
            }
            missing += 1;
            continue;
        };
        let bytes = std::fs::metadata(&path).map_or(0, |m| m.len());
        fingerprint += &format!("{} {} {bytes}\n", info.id, info.file_name);
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        frames.push((Frame { name, sequence, t_s: None, picture: Picture::File(path), rendered: None }, info));
        labelled.objects.push(objects);
    }
    if frames.is_empty() {
        let (folder, gt) = (folder.display(), gt.display());
        return Err(anyhow!("none of the {missing} pictures that {gt} names is in {folder} (first: {first})"));
    }
    let notes = (missing > 0).then(|| format!("{missing} pictures of the ground truth are not there (first: {first})"));
    Ok(Part { frames, truth: Some(labelled), fingerprint, notes: notes.into_iter().collect() })
}

/// The picture of an image: by its name, in the folder, in `images/` or in the folder's only one that has it.
fn find(folder: &Path, name: &str, id: i64) -> Option<PathBuf> {
    let name = if name.is_empty() { format!("{id:012}.jpg") } else { name.to_owned() };
    let direct = folder.join(&name);
    if direct.is_file() {
        return Some(direct);
    }
    let mut folders: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.flatten().map(|e| e.path()).collect();
    folders.sort();
    folders.into_iter().map(|f| f.join(&name)).find(|p| p.is_file())
}
