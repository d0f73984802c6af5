//! Two networks on the same pictures, without labels: how far they agree, and where they part most.

use anyhow::Result;
use ocellus_judge::agreement::{Agreement, FrameAgreement, SAME_BOX_IOU, Seen, compare_frame, sum_up};
use ocellus_percept::detection::Detection;
use ocellus_percept::image::Image;

use super::data::Data;
use super::subject::Subject;

/// One picture's comparison.
pub struct Compared {
    /// Index of the frame in the data.
    pub frame: usize,
    /// What the teacher sees at or above the threshold.
    pub teacher: Vec<Seen>,
    /// What the student sees.
    pub student: Vec<Seen>,
    /// How they agree.
    pub agreement: FrameAgreement,
}

/// All pictures compared.
pub struct Agreed {
    /// Summed up; `ranked` holds indices into `frames`, worst first.
    pub sum: Agreement,
    /// By picture that could be read.
    pub frames: Vec<Compared>,
    /// Pictures that could not be read, and why.
    pub lost: Vec<(usize, String)>,
}

/// Compares both networks on every picture, heeding detections of at least `threshold`.
pub fn compare(teacher: &mut Subject, student: &mut Subject, data: &Data, threshold: f64) -> Result<Agreed> {
    let (mut frames, mut lost) = (Vec::new(), Vec::new());
    let (mut image, mut found) = (Image::empty(), Vec::new());
    for (index, frame) in data.frames.iter().enumerate() {
        if let Err(error) = frame.read(&mut image) {
            lost.push((index, format!("{}: {error:#}", frame.name)));
            continue;
        }
        let mut see = |subject: &mut Subject| -> Result<Vec<Seen>> {
            subject.detect(&image, &mut found)?;
            Ok(found.iter().filter(|d| f64::from(d.score) >= threshold).map(|d| seen(d, subject.classes())).collect())
        };
        let (teacher, student) = (see(teacher)?, see(student)?);
        let agreement = compare_frame(&teacher, &student, threshold, SAME_BOX_IOU);
        frames.push(Compared { frame: index, teacher, student, agreement });
    }
    let all: Vec<FrameAgreement> = frames.iter().map(|f| f.agreement.clone()).collect();
    Ok(Agreed { sum: sum_up(&all), frames, lost })
}

fn seen(detection: &Detection, classes: &[String]) -> Seen {
    Seen {
        class: classes.get(detection.class as usize).cloned().unwrap_or_default(),
        score: f64::from(detection.score),
        bbox: detection.bbox,
        distance_m: None,
    }
}
