//! Intersection over union of boxes and masks, as the COCO mask API computes it.

use super::{DetectedObject, GroundTruth, IouType, MaskError, Rle, TruthObject};

/// IoU of two boxes x, y, width, height; with `crowd`, intersection over the detection's own area.
pub(crate) fn box_iou(detection: &[f64; 4], truth: &[f64; 4], crowd: bool) -> f64 {
    let [dx, dy, dw, dh] = *detection;
    let [tx, ty, tw, th] = *truth;
    let w = (dw + dx).min(tw + tx) - dx.max(tx);
    let h = (dh + dy).min(th + ty) - dy.max(ty);
    if w <= 0.0 || h <= 0.0 {
        return 0.0;
    }
    let (inter, area) = (w * h, dw * dh);
    inter / if crowd { area } else { area + tw * th - inter }
}

/// IoU of two masks; pictures of different size never overlap.
fn mask_iou(detection: &Shape, truth: &Shape, crowd: bool) -> f64 {
    if box_iou(&detection.bounds, &truth.bounds, false) <= 0.0 {
        return 0.0;
    }
    let (Some(a), Some(b)) = (&detection.mask, &truth.mask) else { return 0.0 };
    let inter = a.intersection(b).unwrap_or(0);
    if inter == 0 {
        return 0.0;
    }
    let union = if crowd { detection.area } else { detection.area + truth.area - inter };
    inter as f64 / union as f64
}

/// What overlaps of one object are computed from.
pub(super) struct Shape {
    bounds: [f64; 4],
    area: u64,
    mask: Option<Rle>,
}

impl Shape {
    fn from_box(bbox: [f64; 4]) -> Self {
        Self { bounds: bbox, area: 0, mask: None }
    }

    fn from_mask(mask: Rle) -> Self {
        Self { bounds: mask.bounds(), area: mask.area(), mask: Some(mask) }
    }

    /// The shape of a true object; for masks the error says what is missing.
    pub(super) fn of_truth(object: &TruthObject, truth: &GroundTruth, iou: IouType) -> Result<Self, MaskError> {
        match (iou, &object.segmentation) {
            (IouType::Bbox, _) => Ok(Self::from_box(object.bbox)),
            (IouType::Segm, None) => Err(MaskError::Outline),
            (IouType::Segm, Some(region)) => {
                Rle::from_segmentation(region, truth.images.get(object.image).and_then(|i| i.size)).map(Self::from_mask)
            }
        }
    }

    /// The shape of a detection; without a mask its box stands for one, as in pycocotools.
    pub(super) fn of_detection(object: &DetectedObject, truth: &GroundTruth, iou: IouType) -> Result<Self, MaskError> {
        if iou == IouType::Bbox {
            return Ok(Self::from_box(object.bbox));
        }
        let size = truth.images.get(object.image).and_then(|i| i.size);
        let mask = match &object.segmentation {
            Some(region) => Rle::from_segmentation(region, size)?,
            None => {
                let [x, y, w, h] = object.bbox;
                super::polygon::fill_all(
                    &[vec![x, y, x, y + h, x + w, y + h, x + w, y]],
                    size.ok_or(MaskError::Size)?.0,
                    size.ok_or(MaskError::Size)?.1,
                )?
            }
        };
        Ok(Self::from_mask(mask))
    }

    /// IoU with a true object.
    pub(super) fn iou(&self, truth: &Self, crowd: bool) -> f64 {
        if self.mask.is_some() { mask_iou(self, truth, crowd) } else { box_iou(&self.bounds, &truth.bounds, crowd) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_overlap_as_defined() {
        let a = [0.0, 0.0, 2.0, 2.0];
        assert_eq!(box_iou(&a, &[1.0, 0.0, 2.0, 2.0], false), 2.0 / 6.0);
        assert_eq!(box_iou(&a, &[1.0, 0.0, 2.0, 2.0], true), 0.5);
        assert_eq!(box_iou(&a, &[2.0, 0.0, 2.0, 2.0], false), 0.0);
        assert_eq!(box_iou(&a, &[0.0, 0.0, 0.0, 2.0], false), 0.0);
        assert_eq!(box_iou(&a, &[1.0, 1.0, -3.0, -3.0], false), 0.0);
    }
}
