//! A bare ONNX file to a [`ModelSpec`]: head family from names and shapes, classes and size from metadata, the rest
//! as the family usually has it.
//!
//! Every value that was not told or read is listed in `guesses`, to be printed. Opens no file: the runtime hands in
//! what the file declares. What fits no family is an error that shows what was seen.

mod defaults;
mod head;
mod metadata;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::model::clip::recognise_clip;
use crate::model::{
    DepthKind, ElementType, HeadFamily, InputSpec, IoInfo, ModelSpec, Resize, SpecOverrides, Thresholds, coco,
};
use crate::tensor::decode::shape_text;
use defaults::Usual;
use metadata::Facts;

/// The head families, as manifests name them.
pub const FAMILIES: &str = "yolov5 (1, N, 5+C) decoded; yolov8 (1, 4+C, N); yolov8-seg with prototypes (1, M, h, w); \
     yolox (1, N, 5+C) raw grid; end-to-end (1, M, 6); detr logits (1, Q, C) and boxes (1, Q, 4); detr-decoded labels, \
     boxes, scores; nanodet classes (1, N, C) and distances (1, N, 4*bins) per stride; fastestdet (1, 5+C, h, w); \
     depth (1, h, w) or (1, 1, h, w); student class_S, box_S, mask_S per stride S, prototypes, log_depth; anticipation one probability of a clip (1, frames, 3, h, w)";

/// Why no specification can be made of a file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecogniseError {
    /// No input can take a picture.
    #[error("no input takes a picture (1, 3, height, width); the file declares inputs {inputs}")]
    NoPicture {
        /// Names, shapes and element types of the inputs.
        inputs: String,
    },
    /// It is said to look at clips, and no input takes one.
    #[error(
        "a network on clips takes five dimensions, (1, frames, 3, height, width) or (1, 3, frames, height, width); the file declares inputs {inputs}"
    )]
    NoClip {
        /// Names, shapes and element types of the inputs.
        inputs: String,
    },
    /// No family fits the outputs.
    #[error("the outputs fit no head family; the file declares outputs {outputs}; families known: {FAMILIES}")]
    NoFamily {
        /// Names, shapes and element types of the outputs.
        outputs: String,
    },
    /// The file says it does something else.
    #[error("the file's metadata says its task is {task:?}; detect, segment and depth networks can be used")]
    Task {
        /// The task named.
        task: String,
    },
    /// The class list told does not fit the outputs.
    #[error("{listed} classes are listed, but the outputs ({outputs}) have room for {shown}")]
    Classes {
        /// Classes in the manifest.
        listed: usize,
        /// Classes the outputs show.
        shown: usize,
        /// Names, shapes and element types of the outputs.
        outputs: String,
    },
    /// The size told is not the file's own.
    #[error("the input is said to be {told} (width x height), but the file declares {declared}")]
    Size {
        /// Size in the manifest.
        told: String,
        /// The input's declared shape.
        declared: String,
    },
}

/// Recognises a file by what it declares.
pub fn recognise(
    name: &str,
    inputs: &[IoInfo],
    outputs: &[IoInfo],
    metadata: &BTreeMap<String, String>,
) -> Result<ModelSpec, RecogniseError> {
    recognise_with(name, inputs, outputs, metadata, &SpecOverrides::default())
}

/// As [`recognise`], with part of the answer told.
pub fn recognise_with(
    name: &str,
    inputs: &[IoInfo],
    outputs: &[IoInfo],
    metadata: &BTreeMap<String, String>,
    told: &SpecOverrides,
) -> Result<ModelSpec, RecogniseError> {
    if let Some(spec) = recognise_clip(name, (inputs, outputs), told)? {
        return Ok(spec);
    }
    let facts = Facts::new(metadata);
    let mut guesses = Vec::new();
    let picture = picture_input(inputs, told)?;
    let (head, shown) = head_family(outputs, picture, &facts, told, &mut guesses)?;
    let takes_bytes = picture.element == Some(ElementType::U8);
    let usual = defaults::usual(head, outputs.len());
    // A network that takes bytes normalises them itself.
    let usual = if takes_bytes { Usual { mean: [0.0; 3], scale: [1.0; 3], ..usual } } else { usual };
    let (width, height) = input_size(picture, &facts, told, usual.side, &mut guesses)?;
    let classes = class_names(head, shown, outputs, &facts, told, &mut guesses)?;
    let mut guess = |what: &str, is_told: bool| {
        if !is_told {
            guesses.push(format!("{what}, as {head:?} networks usually have it"));
        }
    };
    guess(&format!("resize {:?}", usual.resize), told.resize.is_some());
    guess(&format!("channel order {:?}", usual.order), told.order.is_some());
    let normalisation = format!("(value - {:?}) * {:?}", usual.mean, usual.scale);
    guess(&normalisation, told.mean.is_some() && told.scale.is_some());
    if told.resize.unwrap_or(usual.resize) != Resize::Stretch {
        guess(&format!("padding of grey {}", usual.fill), told.fill.is_some());
    }
    let depth = depth_kind(head, name, outputs, told, &mut guesses);
    let input = InputSpec {
        name: picture.name.clone(),
        width,
        height,
        element: picture.element.unwrap_or(ElementType::F32),
        resize: told.resize.unwrap_or(usual.resize),
        fill: told.fill.unwrap_or(usual.fill),
        order: told.order.unwrap_or(usual.order),
        mean: told.mean.unwrap_or(usual.mean),
        scale: told.scale.unwrap_or(usual.scale),
    };
    Ok(ModelSpec {
        name: name.to_owned(),
        head,
        input,
        classes,
        activation: told.activation.unwrap_or(usual.activation),
        depth,
        strides: told.strides.clone().unwrap_or_else(|| usual.strides.to_vec()),
        thresholds: thresholds(told),
        clip: None,
        guesses,
    })
}

/// Thresholds as told, else those of a run: score 0.25 and IoU 0.45, as Ultralytics' and YOLOX's tools default to.
fn thresholds(told: &SpecOverrides) -> Thresholds {
    Thresholds {
        score: told.score.unwrap_or(0.25),
        nms_iou: told.nms_iou.unwrap_or(0.45),
        max_detections: told.max_detections.unwrap_or(300),
    }
}

/// Names, shapes and element types, for messages.
pub(super) fn describe(tensors: &[IoInfo]) -> String {
    let one = |io: &IoInfo| {
        let element = io.element.map_or_else(|| "unusable element type".to_owned(), |e| format!("{e:?}"));
        format!("{:?} {} {element}", io.name, shape_text(&io.shape))
    };
    if tensors.is_empty() { "none".to_owned() } else { tensors.iter().map(one).collect::<Vec<_>>().join(", ") }
}

/// The input (batch, 3, rows, columns) of floats or bytes.
fn picture_input<'a>(inputs: &'a [IoInfo], told: &SpecOverrides) -> Result<&'a IoInfo, RecogniseError> {
    let is_picture = |io: &&IoInfo| {
        let element = matches!(io.element, Some(ElementType::F32 | ElementType::F16 | ElementType::U8));
        let named = told.input_name.as_ref().is_none_or(|name| *name == io.name);
        element && named && matches!(io.shape[..], [None | Some(1), None | Some(3), _, _])
    };
    inputs.iter().find(is_picture).ok_or_else(|| RecogniseError::NoPicture { inputs: describe(inputs) })
}

/// The family and the number of classes the outputs show.
fn head_family(
    outputs: &[IoInfo],
    picture: &IoInfo,
    facts: &Facts,
    told: &SpecOverrides,
    guesses: &mut Vec<String>,
) -> Result<(HeadFamily, Option<usize>), RecogniseError> {
    if let Some(head) = told.head {
        return Ok((head, head::classes_of(head, outputs)));
    }
    if let Some(task) = facts.task.as_ref().filter(|t| !["detect", "segment", "depth"].contains(&t.as_str())) {
        return Err(RecogniseError::Task { task: task.clone() });
    }
    let size = match (told.width, told.height, picture.shape.get(3), picture.shape.get(2)) {
        (_, _, Some(&Some(width)), Some(&Some(height))) => Some((width, height)),
        (Some(width), Some(height), _, _) => Some((width, height)),
        _ => facts.size.map(|(rows, columns)| (columns, rows)),
    };
    let seen = head::see(outputs, size, facts);
    let seen = seen.ok_or_else(|| RecogniseError::NoFamily { outputs: describe(outputs) })?;
    let doubt = if seen.doubtful { ", though others fit too" } else { "" };
    guesses.push(format!("head family {:?}, from outputs {}{doubt}", seen.head, describe(outputs)));
    Ok((seen.head, seen.classes))
}

/// Columns and rows of the input.
fn input_size(
    picture: &IoInfo,
    facts: &Facts,
    told: &SpecOverrides,
    usual: usize,
    guesses: &mut Vec<String>,
) -> Result<(usize, usize), RecogniseError> {
    let (declared_height, declared_width) = (picture.shape[2], picture.shape[3]);
    let differs =
        |told: Option<usize>, declared: Option<usize>| told.is_some() && declared.is_some() && told != declared;
    if differs(told.width, declared_width) || differs(told.height, declared_height) {
        let side = |s: Option<usize>| s.map_or_else(|| "?".to_owned(), |s| s.to_string());
        let told = format!("{}x{}", side(told.width), side(told.height));
        return Err(RecogniseError::Size { told, declared: shape_text(&picture.shape) });
    }
    let (rows, columns) = facts.size.unwrap_or((usual, usual));
    let width = declared_width.or(told.width);
    let height = declared_height.or(told.height);
    let size = (width.unwrap_or(columns), height.unwrap_or(rows));
    if width.is_none() || height.is_none() {
        let source = if facts.size.is_some() { "the file's metadata" } else { "the family's usual size" };
        guesses.push(format!("input size {}x{}, from {source}: the file leaves it open", size.0, size.1));
    }
    Ok(size)
}

/// Class names: told, else from metadata, else COCO's where 80 fit, else numbers.
fn class_names(
    head: HeadFamily,
    shown: Option<usize>,
    outputs: &[IoInfo],
    facts: &Facts,
    told: &SpecOverrides,
    guesses: &mut Vec<String>,
) -> Result<Vec<String>, RecogniseError> {
    if head == HeadFamily::Depth {
        return Ok(Vec::new());
    }
    let fits = |names: &Vec<String>| shown.is_none_or(|shown| shown == names.len());
    if let Some(names) = &told.classes {
        if fits(names) {
            return Ok(names.clone());
        }
        let (listed, shown) = (names.len(), shown.unwrap_or(0));
        return Err(RecogniseError::Classes { listed, shown, outputs: describe(outputs) });
    }
    if let Some(names) = facts.classes.as_ref().filter(|names| fits(names)) {
        return Ok(names.clone());
    }
    let stray = facts.classes.as_ref().map_or_else(String::new, |names| {
        format!(" (the file's metadata lists {}, which the outputs do not fit)", names.len())
    });
    match shown {
        Some(80) | None => {
            guesses.push(format!("the 80 classes of COCO{stray}"));
            Ok(coco::names())
        }
        Some(count) => {
            guesses.push(format!("{count} classes without names{stray}"));
            Ok((0..count).map(|i| format!("class_{i}")).collect())
        }
    }
}

/// What a depth network's values mean: metres only where a name says so.
fn depth_kind(
    head: HeadFamily,
    name: &str,
    outputs: &[IoInfo],
    told: &SpecOverrides,
    guesses: &mut Vec<String>,
) -> Option<DepthKind> {
    if head == HeadFamily::Student {
        return Some(DepthKind::Metric);
    }
    if head != HeadFamily::Depth || told.depth.is_some() {
        return told.depth;
    }
    let says_metric = |text: &str| text.to_ascii_lowercase().contains("metric");
    let metric = says_metric(name) || outputs.iter().any(|o| says_metric(&o.name));
    let kind = if metric { DepthKind::Metric } else { DepthKind::RelativeInverse };
    guesses.push(format!("depth {kind:?}, from the names of the file and its output"));
    Some(kind)
}

#[cfg(test)]
mod tests;
