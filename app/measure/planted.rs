//! Planted objects: true objects of the data, cut out, scaled to 8 to 64 px and pasted elsewhere. Are they found?

use anyhow::{Context, Result, anyhow};
use ocellus_judge::coco::{Rle, TruthObject};
use ocellus_judge::robust::{PlantedOutcome, SIZES_PX, SizeRecall, plant, recall_by_size};
use ocellus_percept::detection::Detection;
use ocellus_percept::image::{Image, PixelFormat};

use super::data::Data;
use super::subject::Subject;

/// Objects planted at each size: with a recall of a half the interval is a tenth to each side.
pub const EACH: usize = 100;
/// An object is cut out of a picture where it is at least this high: planted it only ever shrinks.
const HEIGHT_MIN_PX: f64 = 64.0;
/// A detection this much on the planted place has found it.
const FOUND_IOU: f32 = 0.5;
/// Of seeds of places.
const SEED: u64 = 77;

/// An object cut out.
struct Cutting {
    category: usize,
    picture: Image,
    /// One byte a pixel, empty where the outline is not known.
    alpha: Vec<u8>,
}

/// Recall by size at `threshold`. An error where no object is large enough to be cut out.
pub fn recall(subject: &mut Subject, data: &Data, threshold: f64) -> Result<Vec<SizeRecall>> {
    let categories = subject.categories(data);
    let cuttings = cut_out(data, &categories)?;
    let mut outcomes = Vec::new();
    let (mut scene, mut found) = (Image::empty(), Vec::new());
    for i in 0..EACH {
        let cutting = &cuttings[i % cuttings.len()];
        // Another picture for each object, the same for every size and network: what differs from size to size is the size.
        let frame = &data.frames[(i * 7) % data.frames.len()];
        if frame.read(&mut scene).is_err() {
            continue;
        }
        for size_px in SIZES_PX {
            let seed = SEED + i as u64;
            // Too wide for this scene: no outcome.
            let Ok((planted, place)) = plant(&scene, &cutting.picture, &cutting.alpha, size_px, seed) else { continue };
            subject.look(&planted, &mut found)?;
            let hit = |d: &Detection| {
                f64::from(d.score) >= threshold
                    && categories.get(d.class as usize).copied().flatten() == Some(cutting.category)
                    && d.bbox.iou(&place) >= FOUND_IOU
            };
            outcomes.push(PlantedOutcome { size_px, found: found.iter().any(hit) });
        }
    }
    Ok(recall_by_size(&outcomes))
}

/// Up to [`EACH`] large, whole, unhidden objects, evenly over the data.
fn cut_out(data: &Data, categories: &[Option<usize>]) -> Result<Vec<Cutting>> {
    let fits = |o: &&TruthObject| {
        let size = data.truth.images.get(o.image).and_then(|i| i.size);
        let inside = size.is_some_and(|(rows, columns)| {
            let [x, y, w, h] = o.bbox;
            x >= 0.0 && y >= 0.0 && x + w <= f64::from(columns) && y + h <= f64::from(rows) && w >= 4.0
        });
        let hidden = o.tags.iter().any(|t| t.starts_with("occlusion") && t != "occlusion none");
        !o.crowd && !hidden && inside && o.bbox[3] >= HEIGHT_MIN_PX && categories.contains(&Some(o.category))
    };
    let large: Vec<&TruthObject> = data.truth.objects.iter().filter(fits).collect();
    if large.is_empty() {
        return Err(anyhow!("no whole object of {HEIGHT_MIN_PX} px and more is there to be planted"));
    }
    let step = large.len().div_ceil(EACH).max(1);
    let mut cuttings = Vec::new();
    let mut image = Image::empty();
    for object in large.into_iter().step_by(step) {
        let frame = data.frames.get(object.image).context("a frame for each image")?;
        if frame.read(&mut image).is_err() || image.format() != PixelFormat::Rgb8 {
            continue;
        }
        cuttings.extend(cutting(&image, object));
    }
    if cuttings.is_empty() { Err(anyhow!("no picture with a large object could be read")) } else { Ok(cuttings) }
}

fn cutting(image: &Image, object: &TruthObject) -> Option<Cutting> {
    let [x, y, w, h] = object.bbox;
    let (x0, y0) = (x.floor() as usize, y.floor() as usize);
    let (x1, y1) = (((x + w).ceil() as usize).min(image.width()), ((y + h).ceil() as usize).min(image.height()));
    let (width, height) = (x1.checked_sub(x0)?, y1.checked_sub(y0)?);
    let inside = outline(object, (image.height(), image.width()));
    let (mut pixels, mut alpha) = (Vec::with_capacity(3 * width * height), Vec::new());
    for row in y0..y1 {
        let start = row * image.width() + x0;
        pixels.extend_from_slice(image.data().get(3 * start..3 * (start + width))?);
        if let Some(inside) = &inside {
            alpha.extend(inside.get(start..start + width)?.iter().map(|i| i * 255));
        }
    }
    let picture = Image::from_vec(width, height, PixelFormat::Rgb8, pixels).ok()?;
    Some(Cutting { category: object.category, picture, alpha })
}

/// 1 at the object's own pixels, where its labels say which they are.
fn outline(object: &TruthObject, (rows, columns): (usize, usize)) -> Option<Vec<u8>> {
    let size = (rows as u32, columns as u32);
    let mask = Rle::from_segmentation(object.segmentation.as_ref()?, Some(size)).ok()?;
    ((mask.height, mask.width) == size && mask.area() > 0).then(|| mask.to_rows())
}
