//! A depth network's output to a [`DepthMap`] with its way from source pixels.
//!
//! Takes (1, h, w) and (1, 1, h, w) at any resolution. Scales nothing: relative depth stays relative. Values that are
//! not finite are counted and left in the map, where [`DepthMap::at_source`] calls them unknown.

use crate::depth::DepthMap;
use crate::model::DepthKind;
use crate::tensor::decode::{DecodeError, DecodeReport, depth_values};
use crate::tensor::{Letterbox, TensorView};

/// An empty map to be filled by [`depth_from_output`] again and again.
pub fn empty_depth(kind: DepthKind) -> DepthMap {
    let (scale_x, offset_x, scale_y, offset_y) = (1.0, 0.0, 1.0, 0.0);
    DepthMap { width: 0, height: 0, values: Vec::new(), kind, focal: None, scale_x, offset_x, scale_y, offset_y }
}

/// Copies `output` into `map` (its `kind` stays, its allocation is reused), for the picture placed by `geometry`. The
/// report counts the cells as candidates.
pub fn depth_from_output(
    output: &TensorView<'_>,
    geometry: &Letterbox,
    map: &mut DepthMap,
) -> Result<DecodeReport, DecodeError> {
    let ([height, width], values) = depth_values(output)?;
    map.width = width;
    map.height = height;
    map.values.clear();
    map.values.extend_from_slice(values);
    // The map covers the whole network input: cells per network pixel, then source pixels to network pixels.
    let (across, down) = (width as f32 / geometry.network_width as f32, height as f32 / geometry.network_height as f32);
    map.scale_x = geometry.scale_x * across;
    map.offset_x = geometry.pad_x * across;
    map.scale_y = geometry.scale_y * down;
    map.offset_y = geometry.pad_y * down;
    let non_finite = values.iter().filter(|v| !v.is_finite()).count();
    Ok(DecodeReport { candidates: values.len(), non_finite })
}

/// Focal length over the input's width for which a student's depth is in metres: 67 degrees from side to side.
pub const STUDENT_FOCAL: f32 = 0.75;

/// As [`depth_from_output`] for our own students, whose output `log_depth` holds logarithms of metres for a camera of
/// [`STUDENT_FOCAL`].
pub fn depth_from_student(
    outputs: &[TensorView<'_>],
    geometry: &Letterbox,
    map: &mut DepthMap,
) -> Result<DecodeReport, DecodeError> {
    let Some(output) = outputs.iter().find(|o| o.name == "log_depth") else {
        return Err(DecodeError::Shape {
            output: "log_depth".to_owned(),
            expected: "(1, 1, h, w)".to_owned(),
            got: "no such output".to_owned(),
        });
    };
    let report = depth_from_output(output, geometry, map)?;
    map.values.iter_mut().for_each(|v| *v = v.exp());
    map.focal = Some(STUDENT_FOCAL * map.width as f32);
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Resize;
    use crate::tensor::TensorData;

    fn view<'a>(shape: &'a [usize], data: &'a [f32]) -> TensorView<'a> {
        TensorView { name: "depth", shape, data: TensorData::F32(data) }
    }

    #[test]
    fn source_pixels_find_their_cells_through_a_letterbox() {
        // A 200x100 picture in a 400x400 input, and a map at half its resolution.
        let geometry = Letterbox::new(Resize::LetterboxCentre, (200, 100), (400, 400));
        let mut values = vec![1.0f32; 200 * 200];
        values[70 * 200 + 30] = 7.0;
        let mut map = empty_depth(DepthKind::Metric);
        for shape in [&[1usize, 200, 200][..], &[1, 1, 200, 200]] {
            let report = depth_from_output(&view(shape, &values), &geometry, &mut map).unwrap();
            assert_eq!((map.width, map.height, report.non_finite), (200, 200, 0));
            // Cell (30, 70) is network (60..62, 140..142), source (30..31, 20..21).
            assert_eq!(map.at_source(30.5, 20.5), Some(7.0));
            assert_eq!(map.at_source(31.5, 20.5), Some(1.0));
        }
    }

    #[test]
    fn bad_values_are_counted_and_bad_shapes_refused() {
        let geometry = Letterbox::new(Resize::Stretch, (2, 2), (2, 2));
        let mut map = empty_depth(DepthKind::RelativeInverse);
        let values = [1.0, f32::NAN, f32::INFINITY, 2.0];
        let report = depth_from_output(&view(&[1, 2, 2], &values), &geometry, &mut map).unwrap();
        assert_eq!((report.candidates, report.non_finite), (4, 2));
        assert_eq!(map.at_source(1.5, 0.5), None);
        let error = depth_from_output(&view(&[1, 3, 2, 2], &[0.0; 12]), &geometry, &mut map).unwrap_err();
        assert!(error.to_string().contains("(1, 3, 2, 2)"), "{error}");
        assert!(depth_from_output(&view(&[1, 2, 2], &values[..3]), &geometry, &mut map).is_err());
    }
}
