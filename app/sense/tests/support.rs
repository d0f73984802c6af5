//! Small drives written into temporary folders, and where the real ones are.

use std::fs;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use ocellus_percept::image::Image;
use ocellus_sense::{Drive, OpenOptions, Payload, ReadError, SenseError, decode_image, open};
use tempfile::TempDir;

/// A file or folder of the real test material; `None` (said) where the material is not at hand.
pub(crate) fn real_data(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(part);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no real data");
    None
}

/// Writes `content` to `folder/name`, making folders.
pub(crate) fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

/// A PNG of `width` x `height` grey ramp pixels, RGB.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]));
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The same picture as JPEG.
pub(crate) fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]));
    picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// The bytes of a KITTI sweep.
pub(crate) fn sweep(points: &[[f32; 4]]) -> Vec<u8> {
    points.iter().flatten().flat_map(|v| v.to_le_bytes()).collect()
}

/// A day's calibration with easy numbers: camera 2 half a metre left of camera 0, all looking along the velodyne's x.
pub(crate) const CAM_TO_CAM: &str = "calib_time: 09-Jan-2012 13:57:47
S_00: 100 60
K_00: 90 0 50 0 90 30 0 0 1
D_00: -0.3 0.1 0.001 0.002 -0.05
R_00: 1 0 0 0 1 0 0 0 1
T_00: 0 0 0
S_rect_00: 80 40
R_rect_00: 1 0 0 0 1 0 0 0 1
P_rect_00: 70 0 40 0 0 70 20 0 0 0 1 0
S_02: 100 60
K_02: 90 0 50 0 90 30 0 0 1
D_02: -0.3 0.1 0.001 0.002 -0.05
R_02: 1 0 0 0 1 0 0 0 1
T_02: 0.5 0 0
S_rect_02: 80 40
R_rect_02: 1 0 0 0 1 0 0 0 1
P_rect_02: 70 0 40 35 0 70 20 0 0 0 1 0
";
/// Beside it: the camera 0 at the velodyne's origin.
pub(crate) const VELO_TO_CAM: &str = "R: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n";
/// Beside it: the velodyne one metre ahead of the IMU.
pub(crate) const IMU_TO_VELO: &str = "R: 1 0 0 0 1 0 0 0 1\nT: -1 0 0\n";

/// A KITTI raw drive of `frames` frames at 10 Hz: `image_02` (80x40) and sweeps, in a day folder with calibration.
pub(crate) struct RawDrive {
    pub(crate) day: TempDir,
    pub(crate) path: PathBuf,
}

impl RawDrive {
    pub(crate) fn new(frames: usize) -> Self {
        let day = tempfile::tempdir().unwrap();
        let path = day.path().join("2011_09_26_drive_0001_sync");
        write(day.path(), "calib_cam_to_cam.txt", CAM_TO_CAM);
        write(day.path(), "calib_velo_to_cam.txt", VELO_TO_CAM);
        for i in 0..frames {
            write(&path, &format!("image_02/data/{i:010}.png"), png(80, 40));
            write(&path, &format!("velodyne_points/data/{i:010}.bin"), sweep(&[[10.0, i as f32, 0.0, 0.5]]));
        }
        write(&path, "image_02/timestamps.txt", stamps(0..frames, 5));
        write(&path, "velodyne_points/timestamps.txt", stamps(0..frames, 0));
        Self { day, path }
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Drive>, SenseError> {
        open(&self.path, &OpenOptions::default())
    }
}

/// KITTI stamps at 10 Hz, `offset_ms` after the full tenth.
pub(crate) fn stamps(frames: impl IntoIterator<Item = usize>, offset_ms: usize) -> String {
    let line = |i: usize| format!("2011-09-26 13:02:{:02}.{:03}000000\n", i / 10, i % 10 * 100 + offset_ms);
    frames.into_iter().map(line).collect()
}

/// Reads and, where it is a picture, decodes one entry.
pub(crate) fn read_and_decode(drive: &dyn Drive, index: usize) -> Result<(), ReadError> {
    match drive.read(index)? {
        Payload::Image(encoded) => decode_image(&encoded, &mut Image::empty()),
        Payload::Cloud(_) => Ok(()),
    }
}

/// The error of opening a path that must not open.
pub(crate) fn refusal(path: &Path, options: &OpenOptions) -> String {
    match open(path, options) {
        Ok(drive) => panic!("opened {:?}", drive.info()),
        Err(error) => error.to_string(),
    }
}

/// A digest as lower-case hexadecimal digits.
pub(crate) fn hex(hash: Md5) -> String {
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}
