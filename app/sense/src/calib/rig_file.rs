//! Files and folders of calibration put together to one rig.

use std::path::{Path, PathBuf};

use ocellus_percept::space::{LidarMount, Rig, Transform};

use super::camera_info::AgainstLidar;
use super::place::Place;
use super::yaml::{self, Map, Node, Value};
use super::{CalibError, Calibration, camera_info, extrinsics, kalibr, kitti};

/// The forms, for messages.
const FORMS: &str = "ROS camera_info YAML (camera_matrix), OpenCV YAML (%YAML:1.0), Kalibr camchain (cam0), KITTI text \
     (P_rect_02, or P2 and Tr_velo_to_cam), or a rig (cameras:, lidars:)";

/// The LiDAR that cameras are placed against where no file names one.
const UNNAMED_LIDAR: &str = "lidar";

/// What is gathered while files are read.
#[derive(Default)]
struct Gathered {
    rig: Rig,
    forms: Vec<&'static str>,
    notes: Vec<String>,
    /// Cameras placed against a LiDAR, to be resolved when all LiDARs are known.
    against: Vec<(PathBuf, String, AgainstLidar)>,
}

/// Reads a file or folder. `picture_size` is the drive's, for the one form that does not say it.
pub(crate) fn read_path(path: &Path, picture_size: Option<(u32, u32)>) -> Result<Calibration, CalibError> {
    let mut all = Gathered::default();
    if path.join("calib_cam_to_cam.txt").is_file() {
        all.kitti_day(path)?;
    } else if path.is_dir() {
        for file in yaml_files(path)? {
            all.file(&file, picture_size)?;
        }
    } else {
        all.file(path, picture_size)?;
    }
    all.resolve()?;
    all.forms.dedup();
    Ok(Calibration { rig: all.rig, form: all.forms.join(", "), notes: all.notes })
}

fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>, CalibError> {
    let io = |source| CalibError::Io { path: folder.into(), source };
    let mut files = Vec::new();
    for item in std::fs::read_dir(folder).map_err(io)? {
        let file = item.map_err(io)?.path();
        if file.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(CalibError::Missing { path: folder.into(), expected: "calibration files (*.yaml)".into() });
    }
    Ok(files)
}

impl Gathered {
    fn file(&mut self, path: &Path, picture_size: Option<(u32, u32)>) -> Result<(), CalibError> {
        let text = yaml::read_text(path)?;
        let has_line = |key: &str| text.lines().any(|l| l.trim_start().starts_with(key));
        if has_line("P_rect_00:") || has_line("P_rect_02:") {
            return self.kitti_day(path.parent().unwrap_or(Path::new(".")));
        }
        if has_line("P2:") && has_line("Tr_velo") {
            return self.kitti_frame(path, picture_size);
        }
        let unrecognised = |found: String| CalibError::Unrecognised { path: path.into(), looked_for: FORMS, found };
        if text.trim_start().starts_with(['<', '{']) {
            return Err(unrecognised("XML or JSON; OpenCV's YAML form of the same file is read".into()));
        }
        let node = yaml::parse(path, &text)?;
        let Node { value: Value::Map(_), .. } = node else {
            return Err(unrecognised(format!("text that begins {:?}", crate::stamps::clip(text.trim_start()))));
        };
        let root = Map::root(path, &node)?;
        if root.get(&["cameras", "lidars"]).is_some() {
            self.rig_form(&root)
        } else if kalibr::looks_like(&root) {
            self.forms.push("Kalibr camchain");
            let cameras = kalibr::read(&root, &mut self.notes)?.cameras;
            cameras.into_iter().try_for_each(|(name, mount)| insert(path, &mut self.rig.cameras, &name, mount))
        } else if camera_info::looks_like(&root) {
            self.forms.push(if text.starts_with("%YAML:") { "OpenCV" } else { "ROS camera_info" });
            let name = root.text(&["camera_name"])?.filter(|n| !n.is_empty()).unwrap_or_else(|| stem(path));
            self.camera(&root, &name)
        } else if root.get(&["vehicle_from_lidar", "lidar_from_vehicle"]).is_some() {
            self.forms.push("LiDAR extrinsics");
            root.only(&["lidar_name", "vehicle_from_lidar", "lidar_from_vehicle"])?;
            let name = root.text(&["lidar_name"])?.unwrap_or_else(|| stem(path));
            self.lidar(&root, &name)
        } else {
            Err(unrecognised(format!("keys {}", root.keys().collect::<Vec<_>>().join(", "))))
        }
    }

    fn kitti_day(&mut self, day: &Path) -> Result<(), CalibError> {
        self.forms.push("KITTI raw day");
        let read = kitti::read_raw_day(day, &std::collections::BTreeMap::new())?;
        for (name, mount) in read.rig.cameras {
            insert(day, &mut self.rig.cameras, &name, mount)?;
        }
        for (name, mount) in read.rig.lidars {
            insert(day, &mut self.rig.lidars, &name, mount)?;
        }
        Ok(())
    }

    /// One object frame's file describes P0 to P3; the left colour camera (P2) is the one its set's pictures are of.
    fn kitti_frame(&mut self, path: &Path, picture_size: Option<(u32, u32)>) -> Result<(), CalibError> {
        self.forms.push("KITTI object frame");
        let Some(size) = picture_size else {
            return Err(Place::file(path).value("a picture's size, which this form leaves to the drive", "none"));
        };
        self.notes.push(format!("{}: camera P2 is used, for pictures of {}x{}", path.display(), size.0, size.1));
        let read = kitti::read_object_frame(path, &[("image_2", 2, size)])?;
        for (name, mount) in read.rig.cameras {
            insert(path, &mut self.rig.cameras, &name, mount)?;
        }
        for (name, mount) in read.rig.lidars {
            insert(path, &mut self.rig.lidars, &name, mount)?;
        }
        Ok(())
    }

    fn rig_form(&mut self, root: &Map<'_>) -> Result<(), CalibError> {
        self.forms.push("rig");
        root.only(&["rig", "cameras", "lidars"])?;
        if let Some(cameras) = root.map("cameras")? {
            for name in cameras.keys() {
                let map = cameras.map(name)?.ok_or_else(|| cameras.missing(name))?;
                self.camera(&map, name)?;
            }
        }
        if let Some(lidars) = root.map("lidars")? {
            for name in lidars.keys() {
                let map = lidars.map(name)?.ok_or_else(|| lidars.missing(name))?;
                map.only(&["vehicle_from_lidar", "lidar_from_vehicle"])?;
                self.lidar(&map, name)?;
            }
        }
        Ok(())
    }

    fn camera(&mut self, map: &Map<'_>, name: &str) -> Result<(), CalibError> {
        let read = camera_info::read(map)?;
        if let Some(against) = read.against_lidar {
            self.against.push((map.path().to_path_buf(), name.to_owned(), against));
        }
        insert(map.path(), &mut self.rig.cameras, name, read.mount)
    }

    fn lidar(&mut self, map: &Map<'_>, name: &str) -> Result<(), CalibError> {
        let vehicle_from_lidar = extrinsics::transform(map)?.ok_or_else(|| map.missing("vehicle_from_lidar"))?;
        insert(map.path(), &mut self.rig.lidars, name, LidarMount { vehicle_from_lidar })
    }

    /// Places the cameras that are given against a LiDAR.
    fn resolve(&mut self) -> Result<(), CalibError> {
        for (path, camera, against) in std::mem::take(&mut self.against) {
            if self.rig.lidars.is_empty() {
                let name = against.lidar.clone().unwrap_or_else(|| UNNAMED_LIDAR.into());
                self.notes.push(format!(
                    "{name}: no vehicle_from_lidar given: the vehicle frame is taken to be this LiDAR's"
                ));
                self.rig.lidars.insert(name, LidarMount { vehicle_from_lidar: Transform::identity() });
            }
            let lidar = match &against.lidar {
                Some(name) => self.rig.lidars.get(name),
                None if self.rig.lidars.len() == 1 => self.rig.lidars.values().next(),
                None => None,
            };
            let place = Place::key(&path, 0, format!("{camera}.lidar"));
            let known = || self.rig.lidars.keys().cloned().collect::<Vec<_>>().join(", ");
            let Some(lidar) = lidar else {
                return Err(place.value(format!("one of the LiDARs {}", known()), format!("{:?}", against.lidar)));
            };
            let optical_from_vehicle = against.optical_from_lidar * lidar.vehicle_from_lidar.inverse();
            if let Some(mount) = self.rig.cameras.get_mut(&camera) {
                mount.optical_from_vehicle = Some(optical_from_vehicle);
            }
        }
        Ok(())
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn insert<M>(
    path: &Path,
    sensors: &mut std::collections::BTreeMap<String, M>,
    name: &str,
    mount: M,
) -> Result<(), CalibError> {
    match sensors.insert(name.to_owned(), mount) {
        None => Ok(()),
        Some(_) => Err(CalibError::Twice { path: path.into(), sensor: name.to_owned() }),
    }
}
