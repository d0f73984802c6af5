//! The 80 classes of COCO detection and the category ids of its annotation files, which have gaps.

/// Class names in the order networks number them.
#[rustfmt::skip]
pub const NAMES: [&str; 80] = [
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard",
    "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
];

/// Category ids (1 to 90) in the same order.
#[rustfmt::skip]
pub const CATEGORY_IDS: [u32; 80] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 27, 28, 31, 32, 33,
    34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61,
    62, 63, 64, 65, 67, 70, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 84, 85, 86, 87, 88, 89, 90,
];

/// The category id to write for class `index` of `classes`: COCO's own where the classes are COCO's, else index + 1.
pub fn category_id(classes: &[String], index: u32) -> u32 {
    let own = if is_coco(classes) { CATEGORY_IDS.get(index as usize).copied() } else { None };
    own.unwrap_or(index + 1)
}

/// Whether `classes` are COCO's 80, in order.
pub fn is_coco(classes: &[String]) -> bool {
    classes.len() == NAMES.len() && classes.iter().zip(NAMES).all(|(a, b)| a == b)
}

/// COCO's names as owned strings.
pub fn names() -> Vec<String> {
    NAMES.iter().map(|&n| n.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_cocos_gaps() {
        let classes = names();
        assert_eq!((category_id(&classes, 0), category_id(&classes, 79)), (1, 90));
        assert_eq!(category_id(&classes, 11), 13, "12 is not used");
        assert_eq!(category_id(&["a".to_owned()], 0), 1);
        assert!(CATEGORY_IDS.windows(2).all(|w| w[0] < w[1]));
    }
}
