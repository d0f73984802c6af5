//! Sweeps from files of raw float32 records: KITTI `.bin` (x y z reflectance) and nuScenes `.pcd.bin`
//! (x y z intensity ring).
//!
//! Output in metres, x forward, y left, z up, intensity 0 to 1. NaN and infinite values pass through: consumers skip
//! them, and counting them is theirs too.

use ocellus_percept::cloud::Cloud;

use crate::error::ReadError;

/// Layout of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PointLayout {
    /// x forward, y left, z up, reflectance 0 to 1: four little-endian f32.
    Kitti,
    /// x right, y forward, z up, intensity 0 to 255, ring: five little-endian f32.
    NuScenes,
}

impl PointLayout {
    fn record_bytes(self) -> usize {
        match self {
            Self::Kitti => 16,
            Self::NuScenes => 20,
        }
    }
}

/// Decodes `bytes` into `cloud`, which must be empty. An empty file is an empty sweep: the sensor saw nothing.
pub(crate) fn cloud_from_bytes(
    origin: &str,
    bytes: &[u8],
    layout: PointLayout,
    cloud: &mut Cloud,
) -> Result<(), ReadError> {
    let record_bytes = layout.record_bytes();
    if !bytes.len().is_multiple_of(record_bytes) {
        return Err(ReadError::SweepLength { origin: origin.into(), bytes: bytes.len(), record_bytes });
    }
    let points = bytes.len() / record_bytes;
    cloud.xyz.reserve(points);
    cloud.intensity.reserve(points);
    match layout {
        PointLayout::Kitti => {
            for record in bytes.as_chunks::<16>().0 {
                let [x, y, z, reflectance] = floats(record);
                cloud.xyz.push([x, y, z]);
                cloud.intensity.push(reflectance);
            }
        }
        PointLayout::NuScenes => {
            cloud.ring.reserve(points);
            for record in bytes.as_chunks::<20>().0 {
                let [right, forward, up, intensity, ring] = floats(record);
                cloud.xyz.push([forward, -right, up]);
                cloud.intensity.push(intensity / 255.0);
                cloud.ring.push(ring as u16);
            }
        }
    }
    Ok(())
}

/// `N` little-endian floats from a record of `4 * N` bytes.
fn floats<const N: usize>(record: &[u8]) -> [f32; N] {
    let mut values = [0.0; N];
    for (value, bytes) in values.iter_mut().zip(record.as_chunks::<4>().0) {
        *value = f32::from_le_bytes(*bytes);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    #[test]
    fn axes_and_intensity_are_ours() {
        let mut cloud = Cloud::default();
        cloud_from_bytes("a", &bytes(&[1.0, 2.0, 3.0, 0.5]), PointLayout::Kitti, &mut cloud).unwrap();
        assert_eq!((cloud.xyz[0], cloud.intensity[0]), ([1.0, 2.0, 3.0], 0.5));
        cloud.clear();
        cloud_from_bytes("a", &bytes(&[1.0, 2.0, 3.0, 51.0, 7.0]), PointLayout::NuScenes, &mut cloud).unwrap();
        assert_eq!((cloud.xyz[0], cloud.intensity[0], cloud.ring[0]), ([2.0, -1.0, 3.0], 0.2, 7));
    }

    #[test]
    fn nan_passes_through_and_part_of_a_point_is_named() {
        let mut cloud = Cloud::default();
        cloud_from_bytes("a", &bytes(&[f32::NAN, f32::INFINITY, 0.0, 0.0]), PointLayout::Kitti, &mut cloud).unwrap();
        assert!(cloud.xyz[0][0].is_nan() && cloud.xyz[0][1].is_infinite());
        let error = cloud_from_bytes("s.bin", &[0; 35], PointLayout::Kitti, &mut Cloud::default()).unwrap_err();
        assert_eq!(error.reason(), "truncated");
        let text = error.to_string();
        assert!(
            text.contains("s.bin") && text.contains("16") && text.contains("35") && text.contains("3 too many"),
            "{text}"
        );
        let mut empty = Cloud::default();
        cloud_from_bytes("e", &[], PointLayout::Kitti, &mut empty).unwrap();
        assert!(empty.is_empty());
    }
}
