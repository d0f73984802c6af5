//! Networks that look at a clip, the last seconds of one camera, and answer with one probability: how they are fed, told
//! from the graph, and what their answer is worth, told by the manifest's `[clip]` table.
//!
//! An input of five dimensions is a clip: (1, frames, 3, rows, columns) or (1, 3, frames, rows, columns). The output is one
//! value, a probability or a logit, or two logits whose second is the event's.

use serde::{Deserialize, Serialize};

use crate::assess::AlertConfig;
use crate::model::recognise::RecogniseError;
use crate::model::{
    ChannelOrder, ElementType, HeadFamily, InputSpec, IoInfo, ModelSpec, Resize, ScoreActivation, SpecOverrides,
    Thresholds,
};

/// Frames a second, and frames where the file leaves it open: two seconds, as collision anticipation's students are trained.
const HZ_USUAL: f64 = 8.0;
const FRAMES_USUAL: usize = 16;
/// Side of the pictures where the file leaves it open.
const SIDE_USUAL: usize = 256;
/// Longer clips than this are a slip of the pen: they are held in memory.
const FRAMES_MAX: usize = 256;
/// ImageNet's channel means and deviations on 0..255, which video encoders share.
const MEAN: [f32; 3] = [123.675, 116.28, 103.53];
const DEVIATION: [f32; 3] = [58.395, 57.12, 57.375];

/// Which dimension comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClipLayout {
    /// (1, frames, 3, rows, columns).
    FramesFirst,
    /// (1, 3, frames, rows, columns).
    ChannelsFirst,
}

/// How a clip is made, and what the network's answer to it is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipSpec {
    /// Frames of a clip.
    pub frames: usize,
    /// Frames a second of sensor time.
    pub hz: f64,
    /// Which dimension comes first.
    pub layout: ClipLayout,
    /// When its answer is an alert.
    pub alert: AlertConfig,
}

impl ClipSpec {
    /// Shape of the input for pictures of `width` x `height`.
    pub fn shape(&self, width: usize, height: usize) -> [usize; 5] {
        match self.layout {
            ClipLayout::FramesFirst => [1, self.frames, 3, height, width],
            ClipLayout::ChannelsFirst => [1, 3, self.frames, height, width],
        }
    }
}

/// The `[clip]` table of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
pub struct ManifestClip {
    /// Frames of a clip, where the file leaves them open.
    pub frames: Option<usize>,
    /// Frames a second.
    pub hz: Option<f64>,
    /// Which dimension comes first, where the file leaves it open.
    pub layout: Option<ClipLayout>,
    /// Smoothed probability at which an alert is raised.
    pub enter: Option<f64>,
    /// Smoothed probability below which it ends.
    pub leave: Option<f64>,
    /// Time constant of the smoothing, milliseconds.
    pub smooth_ms: Option<f64>,
    /// How long the smoothed probability must stay, milliseconds.
    pub confirm_ms: Option<f64>,
    /// How long an alert is kept after its probability has fallen, milliseconds.
    pub hold_ms: Option<f64>,
    /// After an alert no other for so long, milliseconds.
    pub cooldown_ms: Option<f64>,
}

/// The keys of that table.
pub const CLIP_KEYS: &[&str] =
    &["frames", "hz", "layout", "enter", "leave", "smooth_ms", "confirm_ms", "hold_ms", "cooldown_ms"];

impl ManifestClip {
    /// The first key whose value cannot be, with what it must be.
    pub fn mistake(&self) -> Option<(&'static str, &'static str)> {
        let share = |v: Option<f64>| v.is_none_or(|v| (0.0..=1.0).contains(&v));
        let time = |v: Option<f64>| v.is_none_or(|v| (0.0..=60_000.0).contains(&v));
        let (enter, leave) = (self.enter, self.leave);
        let usual = AlertConfig::default();
        let ordered = leave.unwrap_or(usual.leave.min(enter.unwrap_or(1.0))) <= enter.unwrap_or(usual.enter);
        [
            (self.frames.is_none_or(|n| (1..=FRAMES_MAX).contains(&n)), "clip.frames", "1 to 256"),
            (self.hz.is_none_or(|hz| (0.1..=120.0).contains(&hz)), "clip.hz", "0.1 to 120"),
            (share(enter), "clip.enter", "between 0 and 1"),
            (share(leave) && ordered, "clip.leave", "between 0 and clip.enter"),
            (time(self.smooth_ms), "clip.smooth_ms", "0 to 60000"),
            (time(self.confirm_ms), "clip.confirm_ms", "0 to 60000"),
            (time(self.hold_ms), "clip.hold_ms", "0 to 60000"),
            (time(self.cooldown_ms), "clip.cooldown_ms", "0 to 60000"),
        ]
        .into_iter()
        .find_map(|(right, key, expected)| (!right).then_some((key, expected)))
    }

    fn alert(&self) -> AlertConfig {
        let usual = AlertConfig::default();
        let seconds = |ms: Option<f64>, usual: f64| ms.map_or(usual, |ms| ms * 1e-3);
        let enter = self.enter.unwrap_or(usual.enter);
        AlertConfig {
            enter,
            leave: self.leave.unwrap_or(usual.leave.min(enter)),
            smooth_s: seconds(self.smooth_ms, usual.smooth_s),
            confirm_s: seconds(self.confirm_ms, usual.confirm_s),
            hold_s: seconds(self.hold_ms, usual.hold_s),
            cooldown_s: seconds(self.cooldown_ms, usual.cooldown_s),
        }
    }
}

/// The specification of a file that takes a clip; `None` of one that takes no five dimensions and is not said to be one.
pub(super) fn recognise_clip(
    name: &str,
    (inputs, outputs): (&[IoInfo], &[IoInfo]),
    told: &SpecOverrides,
) -> Result<Option<ModelSpec>, RecogniseError> {
    let said = told.head == Some(HeadFamily::Anticipation);
    let named = |io: &&IoInfo| told.input_name.as_ref().is_none_or(|name| *name == io.name);
    let element = |io: &&IoInfo| matches!(io.element, Some(ElementType::F32 | ElementType::F16));
    let clip = inputs.iter().filter(named).filter(element).find_map(|io| Some((io, layout_of(io, told)?)));
    let Some((input, layout)) = clip.filter(|_| said || told.head.is_none()) else {
        let no_clip = || RecogniseError::NoClip { inputs: super::recognise::describe(inputs) };
        return if said { Err(no_clip()) } else { Ok(None) };
    };
    if !gives_one_answer(outputs) {
        return Err(RecogniseError::NoFamily { outputs: super::recognise::describe(outputs) });
    }
    let mut guesses = Vec::new();
    let spec = specify(name, (input, layout), outputs, told, &mut guesses);
    Ok(Some(ModelSpec { guesses, ..spec }))
}

/// Which dimension comes first: the three channels tell, where both could be, what is told or frames.
fn layout_of(io: &IoInfo, told: &SpecOverrides) -> Option<ClipLayout> {
    let &[None | Some(1), a, b, _, _] = io.shape.as_slice() else { return None };
    let channels = |d: Option<usize>| d.is_none_or(|d| d == 3);
    let wanted = told.clip.and_then(|clip| clip.layout);
    match (channels(b), channels(a)) {
        (true, true) => Some(wanted.unwrap_or(ClipLayout::FramesFirst)),
        (true, false) => Some(ClipLayout::FramesFirst),
        (false, true) => Some(ClipLayout::ChannelsFirst),
        (false, false) => None,
    }
}

/// One value, or two.
fn gives_one_answer(outputs: &[IoInfo]) -> bool {
    let [one] = outputs else { return false };
    let values: usize = one.shape.iter().map(|d| d.unwrap_or(1)).product();
    matches!(one.element, Some(ElementType::F32 | ElementType::F16)) && (1..=2).contains(&values)
}

fn specify(
    name: &str,
    (input, layout): (&IoInfo, ClipLayout),
    outputs: &[IoInfo],
    told: &SpecOverrides,
    guesses: &mut Vec<String>,
) -> ModelSpec {
    let mut guess = |what: String, is_told: bool| {
        if !is_told {
            guesses.push(format!("{what}, as networks on clips usually have it"));
        }
    };
    let clip = told.clip.unwrap_or_default();
    let declared = |at: usize| input.shape.get(at).copied().flatten();
    let declared_frames = declared(if layout == ClipLayout::FramesFirst { 1 } else { 2 });
    let frames = declared_frames.or(clip.frames).unwrap_or(FRAMES_USUAL);
    let (width, height) = (declared(4).or(told.width), declared(3).or(told.height));
    guess(format!("{frames} frames a clip"), declared_frames.is_some() || clip.frames.is_some());
    guess(format!("{HZ_USUAL} frames a second"), clip.hz.is_some());
    guess(format!("pictures of {SIDE_USUAL}x{SIDE_USUAL}"), width.is_some() && height.is_some());
    guess("pictures stretched to its size".to_owned(), told.resize.is_some());
    guess("channels in the order red, green, blue".to_owned(), told.order.is_some());
    guess("ImageNet's normalisation".to_owned(), told.mean.is_some() && told.scale.is_some());
    let logit = outputs.first().is_some_and(|o| o.name.to_ascii_lowercase().contains("logit") || values_of(o) == 2);
    let activation = if logit { ScoreActivation::Sigmoid } else { ScoreActivation::None };
    let what = if logit { "its output is a logit" } else { "its output is a probability" };
    guess(format!("{what}, by its name"), told.activation.is_some());
    ModelSpec {
        name: name.to_owned(),
        head: HeadFamily::Anticipation,
        input: InputSpec {
            name: input.name.clone(),
            width: width.unwrap_or(SIDE_USUAL),
            height: height.unwrap_or(SIDE_USUAL),
            element: input.element.unwrap_or(ElementType::F32),
            resize: told.resize.unwrap_or(Resize::Stretch),
            fill: told.fill.unwrap_or(0),
            order: told.order.unwrap_or(ChannelOrder::Rgb),
            mean: told.mean.unwrap_or(MEAN),
            scale: told.scale.unwrap_or(DEVIATION.map(|d| 1.0 / d)),
        },
        classes: Vec::new(),
        activation: told.activation.unwrap_or(activation),
        depth: None,
        strides: Vec::new(),
        thresholds: Thresholds { score: 0.0, nms_iou: 1.0, max_detections: 0 },
        clip: Some(ClipSpec { frames, hz: clip.hz.unwrap_or(HZ_USUAL), layout, alert: clip.alert() }),
        guesses: Vec::new(),
    }
}

fn values_of(output: &IoInfo) -> usize {
    output.shape.iter().map(|d| d.unwrap_or(1)).product()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::recognise_with;

    fn io(name: &str, shape: &[usize]) -> IoInfo {
        let shape = shape.iter().map(|&d| (d > 0).then_some(d)).collect();
        IoInfo { name: name.to_owned(), element: Some(ElementType::F32), shape }
    }

    fn seen(shape: &[usize], output: (&str, &[usize]), told: &SpecOverrides) -> Result<ModelSpec, RecogniseError> {
        recognise_with("n", &[io("clip", shape)], &[io(output.0, output.1)], &Default::default(), told)
    }

    #[test]
    fn both_layouts_are_told_from_the_graph() {
        for (shape, layout) in [
            ([1, 16, 3, 256, 256], ClipLayout::FramesFirst),
            ([1, 3, 16, 256, 256], ClipLayout::ChannelsFirst),
            ([0, 3, 3, 128, 192], ClipLayout::FramesFirst),
            ([0, 0, 3, 0, 0], ClipLayout::FramesFirst),
        ] {
            let spec = seen(&shape, ("probability", &[1, 1]), &SpecOverrides::default()).unwrap();
            let clip = spec.clip.unwrap();
            assert_eq!((spec.head, clip.layout, clip.hz), (HeadFamily::Anticipation, layout, 8.0), "{shape:?}");
            let (width, height) = (spec.input.width, spec.input.height);
            let fed = clip.shape(width, height);
            assert!(shape.iter().zip(fed).all(|(&d, f)| d == 0 || d == f), "{shape:?} {fed:?}");
            assert!(spec.guesses.iter().any(|g| g.contains("8 frames a second")), "{:?}", spec.guesses);
        }
    }

    #[test]
    fn an_answer_is_a_probability_or_a_logit_and_anything_else_is_refused() {
        let told = SpecOverrides::default();
        let clip = [1, 16, 3, 64, 64];
        let of = |output: (&str, &[usize])| seen(&clip, output, &told).map(|s| s.activation);
        assert_eq!(of(("p", &[1])), Ok(ScoreActivation::None));
        assert_eq!(of(("logits", &[1, 1])), Ok(ScoreActivation::Sigmoid));
        assert_eq!(of(("out", &[1, 2])), Ok(ScoreActivation::Sigmoid));
        assert!(of(("out", &[1, 7])).unwrap_err().to_string().contains("(1, 7)"));
        let told = SpecOverrides { head: Some(HeadFamily::Anticipation), ..told };
        let error = seen(&[1, 3, 64, 64], ("p", &[1]), &told).unwrap_err().to_string();
        assert!(error.contains("five dimensions"), "{error}");
    }

    #[test]
    fn what_cannot_be_is_named() {
        assert_eq!(ManifestClip::default().mistake(), None);
        let bad = |clip: ManifestClip| clip.mistake().map(|(key, _)| key);
        assert_eq!(bad(ManifestClip { hz: Some(0.0), ..Default::default() }), Some("clip.hz"));
        assert_eq!(bad(ManifestClip { enter: Some(0.3), leave: Some(0.5), ..Default::default() }), Some("clip.leave"));
        assert_eq!(bad(ManifestClip { enter: Some(0.3), ..Default::default() }), None);
        assert_eq!(bad(ManifestClip { hold_ms: Some(f64::NAN), ..Default::default() }), Some("clip.hold_ms"));
    }
}
