//! Definitions of the ROS 2 messages written here, as `ros2msg` text: the message's own fields, then those of every type in
//! it, parted by lines of 80 `=` (MCAP registry, "ros2msg"). Field names, types and order are those of ROS 2's
//! common_interfaces, geometry2, vision_msgs 4 and
//! foxglove_msgs 3; readers decode by them.

/// A message type and its fields.
type Definition = (&'static str, &'static str);

/// Every type, each below those it is made of.
const DEFINITIONS: [Definition; 50] = [
    ("builtin_interfaces/Time", "int32 sec\nuint32 nanosec\n"),
    ("std_msgs/Header", "builtin_interfaces/Time stamp\nstring frame_id\n"),
    ("geometry_msgs/Point", "float64 x\nfloat64 y\nfloat64 z\n"),
    ("geometry_msgs/Vector3", "float64 x\nfloat64 y\nfloat64 z\n"),
    ("geometry_msgs/Quaternion", "float64 x\nfloat64 y\nfloat64 z\nfloat64 w\n"),
    ("geometry_msgs/Pose", "geometry_msgs/Point position\ngeometry_msgs/Quaternion orientation\n"),
    ("geometry_msgs/PoseWithCovariance", "geometry_msgs/Pose pose\nfloat64[36] covariance\n"),
    ("geometry_msgs/Twist", "geometry_msgs/Vector3 linear\ngeometry_msgs/Vector3 angular\n"),
    ("geometry_msgs/TwistWithCovariance", "geometry_msgs/Twist twist\nfloat64[36] covariance\n"),
    ("geometry_msgs/Transform", "geometry_msgs/Vector3 translation\ngeometry_msgs/Quaternion rotation\n"),
    (
        "geometry_msgs/TransformStamped",
        "std_msgs/Header header\nstring child_frame_id\ngeometry_msgs/Transform transform\n",
    ),
    ("tf2_msgs/TFMessage", "geometry_msgs/TransformStamped[] transforms\n"),
    (
        "nav_msgs/Odometry",
        "std_msgs/Header header\nstring child_frame_id\ngeometry_msgs/PoseWithCovariance pose\ngeometry_msgs/TwistWithCovariance twist\n",
    ),
    ("sensor_msgs/CompressedImage", "std_msgs/Header header\nstring format\nuint8[] data\n"),
    (
        "sensor_msgs/Image",
        "std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step\nuint8[] data\n",
    ),
    (
        "sensor_msgs/RegionOfInterest",
        "uint32 x_offset\nuint32 y_offset\nuint32 height\nuint32 width\nbool do_rectify\n",
    ),
    (
        "sensor_msgs/CameraInfo",
        "std_msgs/Header header\nuint32 height\nuint32 width\nstring distortion_model\nfloat64[] d\nfloat64[9] k\nfloat64[9] r\n\
         float64[12] p\nuint32 binning_x\nuint32 binning_y\nsensor_msgs/RegionOfInterest roi\n",
    ),
    (
        "sensor_msgs/PointField",
        "uint8 INT8=1\nuint8 UINT8=2\nuint8 INT16=3\nuint8 UINT16=4\nuint8 INT32=5\nuint8 UINT32=6\nuint8 FLOAT32=7\n\
         uint8 FLOAT64=8\nstring name\nuint32 offset\nuint8 datatype\nuint32 count\n",
    ),
    (
        "sensor_msgs/PointCloud2",
        "std_msgs/Header header\nuint32 height\nuint32 width\nsensor_msgs/PointField[] fields\nbool is_bigendian\n\
         uint32 point_step\nuint32 row_step\nuint8[] data\nbool is_dense\n",
    ),
    (
        "sensor_msgs/Imu",
        "std_msgs/Header header\ngeometry_msgs/Quaternion orientation\nfloat64[9] orientation_covariance\n\
         geometry_msgs/Vector3 angular_velocity\nfloat64[9] angular_velocity_covariance\n\
         geometry_msgs/Vector3 linear_acceleration\nfloat64[9] linear_acceleration_covariance\n",
    ),
    ("vision_msgs/Point2D", "float64 x\nfloat64 y\n"),
    ("vision_msgs/Pose2D", "vision_msgs/Point2D position\nfloat64 theta\n"),
    ("vision_msgs/BoundingBox2D", "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y\n"),
    ("vision_msgs/BoundingBox3D", "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size\n"),
    ("vision_msgs/ObjectHypothesis", "string class_id\nfloat64 score\n"),
    (
        "vision_msgs/ObjectHypothesisWithPose",
        "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n",
    ),
    (
        "vision_msgs/Detection2D",
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\nvision_msgs/BoundingBox2D bbox\nstring id\n",
    ),
    ("vision_msgs/Detection2DArray", "std_msgs/Header header\nvision_msgs/Detection2D[] detections\n"),
    (
        "vision_msgs/Detection3D",
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\nvision_msgs/BoundingBox3D bbox\nstring id\n",
    ),
    ("vision_msgs/Detection3DArray", "std_msgs/Header header\nvision_msgs/Detection3D[] detections\n"),
    ("std_msgs/String", "string data\n"),
    ("builtin_interfaces/Duration", "int32 sec\nuint32 nanosec\n"),
    ("foxglove_msgs/Color", "float64 r\nfloat64 g\nfloat64 b\nfloat64 a\n"),
    ("foxglove_msgs/Point2", "float64 x\nfloat64 y\n"),
    ("foxglove_msgs/KeyValuePair", "string key\nstring value\n"),
    (
        "foxglove_msgs/CircleAnnotation",
        "builtin_interfaces/Time timestamp\nfoxglove_msgs/Point2 position\nfloat64 diameter\nfloat64 thickness\n\
         foxglove_msgs/Color fill_color\nfoxglove_msgs/Color outline_color\n",
    ),
    (
        "foxglove_msgs/PointsAnnotation",
        "builtin_interfaces/Time timestamp\nuint8 UNKNOWN=0\nuint8 POINTS=1\nuint8 LINE_LOOP=2\nuint8 LINE_STRIP=3\n\
         uint8 LINE_LIST=4\nuint8 type\nfoxglove_msgs/Point2[] points\nfoxglove_msgs/Color outline_color\n\
         foxglove_msgs/Color[] outline_colors\nfoxglove_msgs/Color fill_color\nfloat64 thickness\n",
    ),
    (
        "foxglove_msgs/TextAnnotation",
        "builtin_interfaces/Time timestamp\nfoxglove_msgs/Point2 position\nstring text\nfloat64 font_size\n\
         foxglove_msgs/Color text_color\nfoxglove_msgs/Color background_color\n",
    ),
    (
        "foxglove_msgs/ImageAnnotations",
        "foxglove_msgs/CircleAnnotation[] circles\nfoxglove_msgs/PointsAnnotation[] points\n\
         foxglove_msgs/TextAnnotation[] texts\n",
    ),
    (
        "foxglove_msgs/SceneEntityDeletion",
        "builtin_interfaces/Time timestamp\nuint8 MATCHING_ID=0\nuint8 ALL=1\nuint8 type\nstring id\n",
    ),
    (
        "foxglove_msgs/ArrowPrimitive",
        "geometry_msgs/Pose pose\nfloat64 shaft_length\nfloat64 shaft_diameter\nfloat64 head_length\n\
         float64 head_diameter\nfoxglove_msgs/Color color\n",
    ),
    ("foxglove_msgs/CubePrimitive", "geometry_msgs/Pose pose\ngeometry_msgs/Vector3 size\nfoxglove_msgs/Color color\n"),
    (
        "foxglove_msgs/SpherePrimitive",
        "geometry_msgs/Pose pose\ngeometry_msgs/Vector3 size\nfoxglove_msgs/Color color\n",
    ),
    (
        "foxglove_msgs/CylinderPrimitive",
        "geometry_msgs/Pose pose\ngeometry_msgs/Vector3 size\nfloat64 bottom_scale\nfloat64 top_scale\nfoxglove_msgs/Color color\n",
    ),
    (
        "foxglove_msgs/LinePrimitive",
        "uint8 LINE_STRIP=0\nuint8 LINE_LOOP=1\nuint8 LINE_LIST=2\nuint8 type\ngeometry_msgs/Pose pose\nfloat64 thickness\n\
         bool scale_invariant\ngeometry_msgs/Point[] points\nfoxglove_msgs/Color color\nfoxglove_msgs/Color[] colors\nuint32[] indices\n",
    ),
    (
        "foxglove_msgs/TriangleListPrimitive",
        "geometry_msgs/Pose pose\ngeometry_msgs/Point[] points\nfoxglove_msgs/Color color\nfoxglove_msgs/Color[] colors\nuint32[] indices\n",
    ),
    (
        "foxglove_msgs/TextPrimitive",
        "geometry_msgs/Pose pose\nbool billboard\nfloat64 font_size\nbool scale_invariant\nfoxglove_msgs/Color color\nstring text\n",
    ),
    (
        "foxglove_msgs/ModelPrimitive",
        "geometry_msgs/Pose pose\ngeometry_msgs/Vector3 scale\nfoxglove_msgs/Color color\nbool override_color\nstring url\n\
         string media_type\nuint8[] data\n",
    ),
    (
        "foxglove_msgs/SceneEntity",
        "builtin_interfaces/Time timestamp\nstring frame_id\nstring id\nbuiltin_interfaces/Duration lifetime\nbool frame_locked\n\
         foxglove_msgs/KeyValuePair[] metadata\nfoxglove_msgs/ArrowPrimitive[] arrows\nfoxglove_msgs/CubePrimitive[] cubes\n\
         foxglove_msgs/SpherePrimitive[] spheres\nfoxglove_msgs/CylinderPrimitive[] cylinders\nfoxglove_msgs/LinePrimitive[] lines\n\
         foxglove_msgs/TriangleListPrimitive[] triangles\nfoxglove_msgs/TextPrimitive[] texts\nfoxglove_msgs/ModelPrimitive[] models\n",
    ),
    (
        "foxglove_msgs/SceneUpdate",
        "foxglove_msgs/SceneEntityDeletion[] deletions\nfoxglove_msgs/SceneEntity[] entities\n",
    ),
];

/// What parts the definitions.
const RULE: &str = "================================================================================";

fn fields_of(name: &str) -> &'static str {
    DEFINITIONS.iter().find(|(known, _)| *known == name).map_or("", |(_, fields)| fields)
}

/// Types named in `fields`, in their order, without brackets.
fn types_in(fields: &str) -> impl Iterator<Item = &str> {
    let words = fields.lines().filter_map(|line| line.split_whitespace().next());
    words.map(|word| word.split('[').next().unwrap_or(word)).filter(|word| word.contains('/'))
}

/// The text that goes with the messages of type `name` (`package/Type`): its fields and those of all it is made of.
pub(super) fn definition(name: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut open: Vec<&str> = types_in(fields_of(name)).collect();
    open.reverse();
    while let Some(next) = open.pop() {
        if !names.contains(&next) {
            names.push(next);
            let inner: Vec<&str> = types_in(fields_of(next)).collect();
            open.extend(inner.into_iter().rev());
        }
    }
    let mut text = fields_of(name).to_owned();
    for name in names {
        text.push_str(&format!("{RULE}\nMSG: {name}\n{}", fields_of(name)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_named_is_defined_once() {
        for (name, fields) in DEFINITIONS {
            assert_eq!(DEFINITIONS.iter().filter(|(other, _)| *other == name).count(), 1, "{name}");
            for inner in types_in(fields) {
                assert!(!fields_of(inner).is_empty(), "{name} names {inner}");
            }
        }
    }

    #[test]
    fn a_definition_carries_all_it_is_made_of_once() {
        let text = definition("vision_msgs/Detection3DArray");
        for part in ["std_msgs/Header", "builtin_interfaces/Time", "geometry_msgs/Pose", "vision_msgs/BoundingBox3D"] {
            assert_eq!(text.matches(&format!("MSG: {part}\n")).count(), 1, "{part} in {text}");
        }
        assert!(text.starts_with("std_msgs/Header header\n"));
    }
}
