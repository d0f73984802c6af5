//! The properties a statement may speak of: id, name, unit, direction, digits.

use crate::stats::Direction;

/// One property.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PropertyInfo {
    /// Key in targets and JSON.
    pub id: &'static str,
    /// Name for readers.
    pub name: &'static str,
    /// Unit, empty where there is none.
    pub unit: &'static str,
    /// Whether more is better.
    pub direction: Direction,
    /// Digits after the point.
    pub digits: usize,
    /// What it means, in a line.
    pub meaning: &'static str,
}

const fn up(
    id: &'static str,
    name: &'static str,
    unit: &'static str,
    digits: usize,
    meaning: &'static str,
) -> PropertyInfo {
    PropertyInfo { id, name, unit, direction: Direction::HigherIsBetter, digits, meaning }
}

const fn down(
    id: &'static str,
    name: &'static str,
    unit: &'static str,
    digits: usize,
    meaning: &'static str,
) -> PropertyInfo {
    PropertyInfo { id, name, unit, direction: Direction::LowerIsBetter, digits, meaning }
}

/// All, in the page's order: what it sees, how honest it is, where it fails, how it tracks and measures, what it costs.
pub const PROPERTIES: &[PropertyInfo] = &[
    up("ap", "Average precision", "", 3, "COCO AP over IoU 0.50 to 0.95"),
    up("ap50", "AP at IoU 0.5", "", 3, "finds it, roughly placed"),
    up("ap_small", "AP of small objects", "", 3, "below 32 x 32 px: far away"),
    up("ap_mask", "Mask AP", "", 3, "COCO AP of instance masks"),
    up("recall", "Recall at the run's threshold", "", 3, "share of objects found as deployed"),
    up("worst_group", "Worst group", "", 3, "lowest figure of any group with 30 or more"),
    down("olrp", "Optimal LRP error", "", 3, "localisation, false alarms and misses in one, at the best threshold"),
    down("fppi", "False alarms an image at equal recall", "", 3, "threshold tuned to the teacher's recall"),
    down(
        "false_alarms_per_hour",
        "False alarms an hour",
        "1/h",
        0,
        "at the run's threshold, frame by frame, before tracking",
    ),
    down("empty_fppi", "False alarms in empty scenes", "", 3, "an image without any object"),
    down("log_average_miss_rate", "Log-average miss rate", "", 3, "over 0.01 to 1 false positives an image"),
    down("d_ece", "Detection calibration error", "", 3, "score against precision, 10 bins"),
    down("la_ece", "Localisation-aware calibration error", "", 3, "score against precision times IoU, 25 bins"),
    up("robust_mpc", "Mean performance under corruption", "", 3, "six corruptions, three severities"),
    up("robust_rpc", "Share kept under corruption", "", 3, "mPC over clean AP"),
    up("lidar_mrr", "LiDAR resilience", "", 3, "mean resilience rate over four corruptions"),
    up("small_recall", "Recall of planted objects of 16 px", "", 3, "pasted at known places"),
    up("sensor_loss", "Score without the best sensor", "", 3, "largest subset that lacks it"),
    down("depth_abs_rel", "Depth error", "", 3, "AbsRel: mean |d - g| / g over all pixels"),
    up("depth_delta1", "Depth within 25 %", "", 3, "share of pixels with max(d/g, g/d) below 1.25"),
    down("depth_object_m", "Depth error of objects", "m", 2, "median over objects of |median error of its pixels|"),
    down(
        "depth_apart",
        "Depth apart from the teacher's",
        "",
        3,
        "mean |student - teacher| / teacher, scaled, without labels",
    ),
    down("distance_median_m", "Distance error", "m", 2, "median |error| of the nearest surface"),
    down("velocity_median_mps", "Velocity error", "m/s", 2, "median |error|"),
    down("ttc_median_s", "Time-to-collision error", "s", 2, "median |error|"),
    up("idf1", "Identity F1 of tracks", "", 3, "IDF1"),
    up("hota", "HOTA of tracks", "", 3, "detection and association in balance"),
    up("agreement", "Boxes both see", "", 3, "IoU 0.7 and the same class, without labels"),
    up("int8_ap", "AP in INT8", "", 3, "the quantized twin"),
    down("energy_j_per_frame", "Energy a frame", "J", 2, "net of idle where known"),
    down("latency_p95_ms", "Latency, 95 %", "ms", 1, "sensor time to output"),
    down("memory_peak_mb", "Peak memory", "MB", 0, "of the process"),
    down("size_mb", "Size of all tensors", "MB", 2, "bytes of every tensor in the file"),
    down("parameters_m", "Parameters", "M", 2, "millions"),
    down("macs_g", "Multiply-accumulates", "G", 2, "billions a frame"),
];

/// The property with this id.
pub fn property_info(id: &str) -> Option<&'static PropertyInfo> {
    PROPERTIES.iter().find(|p| p.id == id)
}

impl PropertyInfo {
    /// A figure as readers see it.
    pub(super) fn number(&self, value: f64) -> String {
        format!("{value:.digits$}", digits = self.digits)
    }
}
