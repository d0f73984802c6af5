//! From topics to sensor names, and from a picture's topic to its camera's intrinsics.
//!
//! The rule: a topic's parts joined by `_`, without those at its end that only say in which form the data is sent
//! (`/camera/image_raw/compressed` is `camera`, `/sensors/front/camera/image_color` is `sensors_front_camera`,
//! `/velodyne/points` is `velodyne`). A topic made of such parts alone keeps its first (`/points` is `points`). Where two
//! topics would get one name, each keeps all its parts (`camera_image_color`, `camera_image_mono`).

use std::collections::BTreeMap;

/// Ends of topics that name a form of data and no sensor.
const FORMS: [&str; 21] = [
    "compressed",
    "image",
    "image_raw",
    "image_color",
    "image_colour",
    "image_mono",
    "image_rect",
    "image_rect_raw",
    "image_rect_color",
    "image_rect_colour",
    "image_compressed",
    "image_raw_compressed",
    "raw",
    "rgb",
    "points",
    "points_raw",
    "point_cloud",
    "pointcloud",
    "pointcloud2",
    "cloud",
    "packets",
];

fn parts(topic: &str) -> Vec<&str> {
    topic.split('/').filter(|p| !p.is_empty()).collect()
}

/// The name by the rule alone.
fn short_name(topic: &str) -> String {
    let parts = parts(topic);
    let kept = parts.iter().rposition(|p| !FORMS.contains(p)).map_or(1, |last| last + 1);
    parts.iter().take(kept).copied().collect::<Vec<_>>().join("_")
}

/// Sensor names of `topics`, in their order, all different and none empty.
pub(crate) fn sensor_names(topics: &[&str]) -> Vec<String> {
    let count = |names: &[String]| {
        let mut counts = BTreeMap::<String, usize>::new();
        names.iter().for_each(|n| *counts.entry(n.clone()).or_default() += 1);
        counts
    };
    let mut names: Vec<String> = topics.iter().map(|t| short_name(t)).collect();
    let counts = count(&names);
    for (name, topic) in names.iter_mut().zip(topics) {
        if counts.get(name.as_str()).is_none_or(|&n| n > 1) {
            *name = parts(topic).join("_");
        }
    }
    // What is still alike (`/a/b` and `/a_b`), or empty, is numbered.
    let counts = count(&names);
    for (number, name) in names.iter_mut().enumerate() {
        if name.is_empty() || counts.get(name.as_str()).is_some_and(|&n| n > 1) {
            *name = format!("{name}_{number}").trim_start_matches('_').to_owned();
        }
    }
    names
}

/// The topic of the same pictures without transport compression.
pub(crate) fn base_topic(topic: &str) -> &str {
    topic.strip_suffix("/compressed").unwrap_or(topic)
}

/// Whether the pictures are rectified, by image_pipeline's names: intrinsics are P then, without distortion.
pub(crate) fn is_rectified(topic: &str) -> bool {
    parts(topic).iter().any(|p| p.starts_with("image_rect"))
}

/// Which of `infos` (topics of intrinsics with their frames) belongs to the pictures of `topic` in `frame`: the one beside
/// the pictures, as ROS's image_transport has it, or below them; else the one of the same frame or of the same namespace,
/// where there is exactly one.
pub(crate) fn info_of<'a>(topic: &str, frame: &str, infos: &[(&'a str, &str)]) -> Option<&'a str> {
    let base = base_topic(topic);
    let above = base.rsplit_once('/').map_or("", |(above, _)| above);
    let beside = [format!("{above}/camera_info"), format!("{base}/camera_info"), format!("{topic}/camera_info")];
    if let Some((found, _)) = infos.iter().find(|(info, _)| beside.iter().any(|b| b == info)) {
        return Some(found);
    }
    let only = |wanted: &dyn Fn(&(&str, &str)) -> bool| {
        let mut matching = infos.iter().filter(|i| wanted(i));
        match (matching.next(), matching.next()) {
            (Some((topic, _)), None) => Some(*topic),
            _ => None,
        }
    };
    let space = |t: &str| t.rsplit_once('/').map_or(String::new(), |(above, _)| above.to_owned());
    only(&|(_, f)| !frame.is_empty() && *f == frame)
        .or_else(|| only(&|(info, _)| !above.is_empty() && space(info) == above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_dropped_and_what_would_be_alike_keeps_all_its_parts() {
        let names = sensor_names(&["/camera/image_raw/compressed", "/points", "/velodyne/points", "/a/b/image_color"]);
        assert_eq!(names, ["camera", "points", "velodyne", "a_b"]);
        let names = sensor_names(&["/camera/image_color", "/camera/image_mono", "/image_raw/compressed"]);
        assert_eq!(names, ["camera_image_color", "camera_image_mono", "image_raw"]);
        assert_eq!(sensor_names(&["/a/b", "/a_b", "/"]), ["a_b_0", "a_b_1", "2"]);
    }

    #[test]
    fn intrinsics_are_found_beside_the_pictures_or_by_their_frame() {
        let infos = [("/left/camera_info", "left"), ("/right/camera_info", "right"), ("/x/info", "top")];
        assert_eq!(info_of("/left/image_raw/compressed", "?", &infos), Some("/left/camera_info"));
        assert_eq!(info_of("/pictures", "top", &infos), Some("/x/info"));
        assert_eq!(info_of("/x/image", "other", &infos), Some("/x/info"));
        assert_eq!(info_of("/pictures", "other", &infos), None);
    }
}
