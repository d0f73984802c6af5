//! A depth network's map as a picture: the part that the source picture covers, without the letterbox around it.

use ocellus_percept::depth::DepthMap;
use ocellus_percept::model::DepthKind;
use rerun::archetypes::DepthImage;
use rerun::components::Colormap;
use rerun::datatypes::ChannelDatatype;
use rerun::{RecordingStream, components::ValueRange};

use super::ViewerError;
use super::scene::depth_path;

/// Depth that gets the last colour, metres: the range map of the points ends there too.
const DEPTH_FAR_M: f64 = 80.0;

/// Logs the depth of `camera`, whose source picture has `size_px`.
pub(super) fn log_depth(
    rec: &RecordingStream,
    camera: &str,
    depth: &DepthMap,
    size_px: Option<[u32; 2]>,
) -> Result<(), ViewerError> {
    let path = depth_path(camera);
    let Some((size, values)) = covered(depth, size_px) else { return Ok(()) };
    let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
    let mut image =
        DepthImage::from_data_type_and_bytes(bytes, size, ChannelDatatype::F32).with_colormap(Colormap::Turbo);
    if is_metric(depth.kind) {
        image = image.with_meter(1.0).with_depth_range(ValueRange::new(0.0, DEPTH_FAR_M));
    }
    rec.log(path.as_str(), &image).map_err(ViewerError::rerun(&path))
}

fn is_metric(kind: DepthKind) -> bool {
    matches!(kind, DepthKind::Metric)
}

/// Columns and rows of the covered part, and its values, unknown ones as 0; `None` where nothing is covered.
fn covered(depth: &DepthMap, size_px: Option<[u32; 2]>) -> Option<([u32; 2], impl Iterator<Item = f32>)> {
    let [width, height] = size_px.map(|s| s.map(|v| v as f32))?;
    let columns = span(depth.offset_x, depth.scale_x * width, depth.width)?;
    let rows = span(depth.offset_y, depth.scale_y * height, depth.height)?;
    if depth.values.len() < depth.width * depth.height {
        return None;
    }
    let size = [columns.len() as u32, rows.len() as u32];
    let values = rows.flat_map(move |row| {
        let start = row * depth.width;
        depth.values.get(start + columns.start..start + columns.end).unwrap_or_default().iter().copied()
    });
    Some((size, values.map(|v| if v.is_finite() && v > 0.0 { v } else { 0.0 })))
}

/// Cells from `offset` over `length`, within `limit`; `None` where that is none.
fn span(offset: f32, length: f32, limit: usize) -> Option<std::ops::Range<usize>> {
    let start = offset.max(0.0).round() as usize;
    let end = ((offset + length).round().max(0.0) as usize).min(limit);
    (offset.is_finite() && length.is_finite() && start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> DepthMap {
        // A 8x4 source picture in the middle of a 4x4 map: rows 1 and 2.
        DepthMap {
            width: 4,
            height: 4,
            values: (0..16).map(|v| if v == 5 { f32::NAN } else { v as f32 }).collect(),
            kind: DepthKind::Metric,
            focal: None,
            scale_x: 0.5,
            offset_x: 0.0,
            scale_y: 0.5,
            offset_y: 1.0,
        }
    }

    #[test]
    fn the_letterbox_is_cut_off_and_unknown_is_zero() {
        let depth = map();
        let (size, values) = covered(&depth, Some([8, 4])).unwrap();
        assert_eq!(size, [4, 2]);
        assert_eq!(values.collect::<Vec<_>>(), [4.0, 0.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
    }

    #[test]
    fn a_map_that_covers_nothing_or_lies_about_its_size_is_not_shown() {
        let mut depth = map();
        assert!(covered(&depth, None).is_none());
        depth.offset_y = f32::NAN;
        assert!(covered(&depth, Some([8, 4])).is_none());
        depth = map();
        depth.values.pop();
        assert!(covered(&depth, Some([8, 4])).is_none());
    }
}
