//! Recognition of the shapes that common exporters write.

use super::*;
use crate::model::ChannelOrder;

/// `shape` with 0 for dynamic dimensions.
fn io(name: &str, shape: &[usize]) -> IoInfo {
    let dims = shape.iter().map(|&d| (d > 0).then_some(d)).collect();
    IoInfo { name: name.to_owned(), element: Some(ElementType::F32), shape: dims }
}

fn metadata(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn bare(input: &[usize], outputs: &[(&str, &[usize])]) -> Result<ModelSpec, RecogniseError> {
    with_metadata(input, outputs, &[])
}

fn with_metadata(
    input: &[usize],
    outputs: &[(&str, &[usize])],
    pairs: &[(&str, &str)],
) -> Result<ModelSpec, RecogniseError> {
    let outputs: Vec<_> = outputs.iter().map(|(name, shape)| io(name, shape)).collect();
    recognise("net", &[io("images", input)], &outputs, &metadata(pairs))
}

const NANODET: [(&str, &[usize]); 6] = [
    ("cls_pred_stride_8", &[1, 1600, 80]),
    ("cls_pred_stride_16", &[1, 400, 80]),
    ("cls_pred_stride_32", &[1, 100, 80]),
    ("dis_pred_stride_8", &[1, 1600, 32]),
    ("dis_pred_stride_16", &[1, 400, 32]),
    ("dis_pred_stride_32", &[1, 100, 32]),
];

/// Input shape, outputs, and the family and number of classes to be told from them.
type Case<'a> = (&'a [usize], &'a [(&'a str, &'a [usize])], HeadFamily, usize);

#[test]
fn each_family_is_told_from_shapes_alone() {
    let square = |side: usize| [1, 3, side, side];
    let cases: [Case<'_>; 16] = [
        (&square(416), &[("output", &[1, 3549, 85])], HeadFamily::Yolox, 80),
        (&[1, 3, 256, 512], &[("output", &[1, 2688, 8])], HeadFamily::Yolox, 3),
        (&square(320), &[("output", &[1, 6300, 85])], HeadFamily::Yolov5, 80),
        (&square(640), &[("output", &[1, 25200, 6])], HeadFamily::Yolov5, 1),
        (&square(320), &[("output0", &[1, 84, 2100])], HeadFamily::Yolov8, 80),
        (&[1, 3, 384, 640], &[("output0", &[1, 5, 5040])], HeadFamily::Yolov8, 1),
        (&square(320), &[("output0", &[1, 116, 2100]), ("output1", &[1, 32, 80, 80])], HeadFamily::Yolov8Seg, 80),
        (&square(640), &[("output0", &[1, 300, 6])], HeadFamily::EndToEnd, 80),
        (&[0, 3, 320, 320], &[("logits", &[0, 0, 80]), ("pred_boxes", &[0, 0, 4])], HeadFamily::Detr, 80),
        (&[1, 3, 320, 320], &[("pred_boxes", &[1, 100, 4]), ("logits", &[1, 100, 4])], HeadFamily::Detr, 4),
        (&square(320), &NANODET, HeadFamily::Nanodet, 80),
        (&square(416), &[("output", &[1, 3598, 112])], HeadFamily::Nanodet, 80),
        (&square(352), &[("758", &[1, 85, 22, 22])], HeadFamily::Fastestdet, 80),
        (&[1, 3, 196, 252], &[("predicted_depth", &[1, 196, 252])], HeadFamily::Depth, 0),
        (&[1, 3, 196, 252], &[("out", &[1, 1, 98, 126])], HeadFamily::Depth, 0),
        (&[1, 3, 0, 0], &[("depth", &[1, 0, 0])], HeadFamily::Depth, 0),
    ];
    for (input, outputs, head, classes) in cases {
        let spec = bare(input, outputs).unwrap();
        assert_eq!((spec.head, spec.classes.len()), (head, classes), "{outputs:?}");
        assert!(spec.guesses.iter().any(|g| g.contains("head family")), "{:?}", spec.guesses);
    }
}

#[test]
fn preprocessing_is_the_familys_own() {
    let yolox = bare(&[1, 3, 416, 416], &[("output", &[1, 3549, 85])]).unwrap();
    let input = &yolox.input;
    assert_eq!((input.resize, input.order, input.fill), (Resize::LetterboxTopLeft, ChannelOrder::Bgr, 114));
    assert_eq!((input.mean, input.scale, &yolox.strides[..]), ([0.0; 3], [1.0; 3], &[8, 16, 32][..]));
    let nanodet = bare(&[1, 3, 320, 320], &NANODET).unwrap();
    assert_eq!((nanodet.input.resize, nanodet.input.order), (Resize::Stretch, ChannelOrder::Bgr));
    assert_eq!(nanodet.input.mean, [103.53, 116.28, 123.675]);
    assert!((nanodet.input.scale[0] - 1.0 / 57.375).abs() < 1e-7);
    let fastest = bare(&[1, 3, 352, 352], &[("758", &[1, 85, 22, 22])]).unwrap();
    assert_eq!((fastest.input.resize, fastest.input.order), (Resize::Stretch, ChannelOrder::Bgr));
    let yolov8 = bare(&[1, 3, 320, 320], &[("output0", &[1, 84, 2100])]).unwrap();
    assert_eq!((yolov8.input.resize, yolov8.input.order), (Resize::LetterboxCentre, ChannelOrder::Rgb));
    assert_eq!(yolov8.input.scale, [1.0 / 255.0; 3]);
}

#[test]
fn a_decoded_detr_is_told_from_its_names() {
    let size =
        IoInfo { name: "orig_target_sizes".to_owned(), element: Some(ElementType::I64), shape: vec![None, Some(2)] };
    let labels = IoInfo { name: "labels".to_owned(), element: Some(ElementType::I64), shape: vec![None] };
    let outputs = [labels, io("boxes", &[0, 0]), io("scores", &[0])];
    let inputs = [size, io("images", &[0, 3, 320, 320])];
    let spec = recognise("deim", &inputs, &outputs, &BTreeMap::new()).unwrap();
    assert_eq!((spec.head, spec.input.name.as_str()), (HeadFamily::DetrDecoded, "images"));
    assert_eq!((spec.input.resize, spec.classes.len()), (Resize::Stretch, 80));
}

#[test]
fn ultralytics_metadata_is_believed() {
    let names = "{0: 'cat', 1: 'dog'}";
    let pairs = [("author", "Ultralytics"), ("task", "detect"), ("imgsz", "[384, 640]"), ("names", names)];
    let spec = with_metadata(&[0, 3, 0, 0], &[("output0", &[0, 6, 0])], &pairs);
    // (N, 6, N) alone could be two classes or an end-to-end head: without a number of boxes it fits nothing surely.
    assert!(matches!(spec, Err(RecogniseError::NoFamily { .. })), "{spec:?}");
    let spec = with_metadata(&[0, 3, 0, 0], &[("output0", &[1, 6, 5040])], &pairs).unwrap();
    assert_eq!((spec.head, spec.input.width, spec.input.height), (HeadFamily::Yolov8, 640, 384));
    assert_eq!(spec.classes, ["cat", "dog"]);
    assert!(spec.guesses.iter().any(|g| g.contains("640x384")), "{:?}", spec.guesses);
    let pose = with_metadata(&[1, 3, 640, 640], &[("output0", &[1, 56, 8400])], &[("task", "pose")]);
    assert!(matches!(pose, Err(RecogniseError::Task { task }) if task == "pose"));
    let end = [("end2end", "True"), ("names", names)];
    let spec = with_metadata(&[1, 3, 640, 640], &[("output0", &[1, 300, 6])], &end).unwrap();
    assert_eq!((spec.head, spec.classes.len()), (HeadFamily::EndToEnd, 2));
}

#[test]
fn dynamic_sizes_get_the_familys_own() {
    let spec = bare(&[0, 3, 0, 0], &[("output0", &[0, 84, 0])]).unwrap();
    assert_eq!((spec.head, spec.input.width, spec.input.height), (HeadFamily::Yolov8, 640, 640));
    assert!(
        spec.guesses.iter().any(|g| g.contains("640x640")) && spec.guesses.iter().any(|g| g.contains("others fit"))
    );
}

#[test]
fn a_network_that_takes_bytes_normalises_by_itself() {
    let input = IoInfo { element: Some(ElementType::U8), ..io("images", &[1, 3, 640, 640]) };
    let spec = recognise("n", &[input], &[io("output0", &[1, 84, 8400])], &BTreeMap::new()).unwrap();
    assert_eq!((spec.input.mean, spec.input.scale, spec.input.element), ([0.0; 3], [1.0; 3], ElementType::U8));
}

#[test]
fn what_fits_nothing_says_what_was_seen() {
    let error = bare(&[1, 3, 224, 224], &[("probabilities", &[1, 1000])]).unwrap_err().to_string();
    for part in ["probabilities", "(1, 1000)", "F32", "yolox", "detr-decoded"] {
        assert!(error.contains(part), "{part} not in {error}");
    }
    let end_to_end_masks: [(&str, &[usize]); 2] = [("output0", &[1, 300, 38]), ("output1", &[1, 32, 160, 160])];
    assert!(matches!(bare(&[1, 3, 640, 640], &end_to_end_masks), Err(RecogniseError::NoFamily { .. })));
    assert!(matches!(bare(&[1, 224, 224, 3], &[("o", &[1, 84, 2100])]), Err(RecogniseError::NoPicture { .. })));
    assert!(matches!(bare(&[1, 3, 320, 320], &[]), Err(RecogniseError::NoFamily { .. })));
    assert!(recognise("n", &[], &[], &BTreeMap::new()).unwrap_err().to_string().contains("none"));
}

#[test]
fn what_is_told_is_not_guessed_but_checked() {
    let inputs = [io("images", &[1, 3, 416, 416])];
    let outputs = [io("output", &[1, 3549, 85])];
    let told = SpecOverrides {
        order: Some(ChannelOrder::Rgb),
        scale: Some([0.5; 3]),
        mean: Some([1.0; 3]),
        score: Some(0.01),
        ..SpecOverrides::default()
    };
    let spec = recognise_with("n", &inputs, &outputs, &BTreeMap::new(), &told).unwrap();
    assert_eq!((spec.input.order, spec.input.scale, spec.thresholds.score), (ChannelOrder::Rgb, [0.5; 3], 0.01));
    assert!(!spec.guesses.iter().any(|g| g.contains("channel order") || g.contains("value -")), "{:?}", spec.guesses);
    let few = SpecOverrides { classes: Some(vec!["a".to_owned()]), ..SpecOverrides::default() };
    let error = recognise_with("n", &inputs, &outputs, &BTreeMap::new(), &few).unwrap_err();
    assert!(matches!(error, RecogniseError::Classes { listed: 1, shown: 80, .. }), "{error}");
    let size = SpecOverrides { width: Some(640), height: Some(640), ..SpecOverrides::default() };
    let error = recognise_with("n", &inputs, &outputs, &BTreeMap::new(), &size).unwrap_err();
    assert!(error.to_string().contains("640x640") && error.to_string().contains("416"), "{error}");
}
