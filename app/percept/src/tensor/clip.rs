//! The clip that a network on clips looks at: prepared frames of one camera at a fixed stride of capture time.
//!
//! Moments lie a stride apart from the first frame on. A frame stands for every moment that it is nearer to than the frame
//! after it will be, as far as the interval before it tells; so that a camera of 30 Hz gives every fourth frame, one of 5 Hz
//! some frames twice, and nothing depends on counting frames. No frame stands for a moment further off than a stride: after
//! such a gap, or a stamp that runs backwards, the clip begins anew. Allocates when it is made and never again.

use thiserror::Error;

use crate::model::{ClipLayout, ClipSpec, ScoreActivation};
use crate::tensor::{TensorData, TensorView};
use crate::time::Timestamp;

/// Stamps are believed to a tenth of a millisecond: a frame just on the border is within it.
const SLACK_S: f64 = 1e-4;

/// Why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum AnswerError {
    /// Not one float, nor two.
    #[error("a network on clips answers with one float or two logits; got {got} values of shape {shape:?}")]
    Values {
        /// How many floats there are.
        got: usize,
        /// The output's shape.
        shape: Vec<usize>,
    },
    /// A value that is no probability from a network that is said to give one.
    #[error(
        "the network answers {value}, which is no probability; for logits say activation = \"sigmoid\" in its model.toml"
    )]
    NoProbability {
        /// The value.
        value: f32,
    },
}

/// The probability that an answer stands for.
pub fn probability_of(output: &TensorView<'_>, activation: ScoreActivation) -> Result<f64, AnswerError> {
    let values = if let TensorData::F32(values) = output.data { values } else { &[] };
    let sigmoid = |logit: f32| 1.0 / (1.0 + (-f64::from(logit)).exp());
    match (values, activation) {
        ([p], ScoreActivation::None) | ([_, p], ScoreActivation::None) if !(0.0..=1.0).contains(p) => {
            Err(AnswerError::NoProbability { value: *p })
        }
        ([p], ScoreActivation::None) | ([_, p], ScoreActivation::None) => Ok(f64::from(*p)),
        ([logit], ScoreActivation::Sigmoid) if !logit.is_nan() => Ok(sigmoid(*logit)),
        ([no, yes], ScoreActivation::Sigmoid) if !(yes - no).is_nan() => Ok(sigmoid(yes - no)),
        ([value], ScoreActivation::Sigmoid) | ([_, value], ScoreActivation::Sigmoid) => {
            Err(AnswerError::NoProbability { value: *value })
        }
        _ => Err(AnswerError::Values { got: values.len(), shape: output.shape.to_vec() }),
    }
}

/// What came of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fed {
    /// Another frame stands for the moments about it.
    Passed,
    /// It is in the clip, which has room left.
    Filling,
    /// It is in the clip, which is full.
    Full,
    /// The clip begins anew with it, this many seconds after the frame before.
    Anew {
        /// Seconds; negative where stamps ran backwards.
        gap_s: f64,
    },
}

/// The frames of one camera.
#[derive(Debug, Clone)]
pub struct ClipBuffer {
    spec: ClipSpec,
    frame_len: usize,
    /// `spec.frames` frames, of which `filled` are there, the oldest at `oldest`.
    ring: Vec<f32>,
    stamps: Vec<Timestamp>,
    oldest: usize,
    filled: usize,
    last: Option<Timestamp>,
    /// The first moment, and how many have been filled since.
    anchor: Timestamp,
    moments: u32,
}

impl ClipBuffer {
    /// A buffer for frames of `frame_len` values, three planes each.
    pub fn new(spec: ClipSpec, frame_len: usize) -> Self {
        Self {
            ring: vec![0.0; spec.frames * frame_len],
            stamps: vec![Timestamp::default(); spec.frames],
            spec,
            frame_len,
            oldest: 0,
            filled: 0,
            last: None,
            anchor: Timestamp::default(),
            moments: 0,
        }
    }

    /// Takes in the next frame, taken at `t`. A frame of another length is none of this clip's.
    pub fn feed(&mut self, t: Timestamp, frame: &[f32]) -> Fed {
        if frame.len() != self.frame_len {
            return Fed::Passed;
        }
        let interval_s = self.last.map_or(0.0, |last| t.seconds_since(last));
        let begun = self.last.replace(t).is_some();
        let stride_s = 1.0 / self.spec.hz;
        let late_s = t.seconds_since(self.due());
        if !begun || interval_s <= 0.0 || late_s > stride_s + SLACK_S {
            (self.anchor, self.moments, self.filled) = (t, 0, 0);
            self.push(t, frame);
            return if begun { Fed::Anew { gap_s: interval_s } } else { self.fill() };
        }
        let before = self.moments;
        // A moment so far ahead that the next frame will be nearer is left to it.
        while self.due().seconds_since(t) <= (0.5 * interval_s).min(stride_s) + SLACK_S {
            self.push(t, frame);
        }
        if self.moments == before { Fed::Passed } else { self.fill() }
    }

    /// The moment that is filled next.
    fn due(&self) -> Timestamp {
        self.anchor.plus_seconds(f64::from(self.moments) / self.spec.hz)
    }

    fn fill(&self) -> Fed {
        if self.filled == self.spec.frames { Fed::Full } else { Fed::Filling }
    }

    fn push(&mut self, t: Timestamp, frame: &[f32]) {
        let place = (self.oldest + self.filled) % self.spec.frames;
        let begin = place * self.frame_len;
        self.ring[begin..begin + self.frame_len].copy_from_slice(frame);
        self.stamps[place] = t;
        self.moments += 1;
        if self.filled < self.spec.frames {
            self.filled += 1;
        } else {
            self.oldest = (self.oldest + 1) % self.spec.frames;
        }
    }

    /// Stamps of the clip's frames, the oldest first.
    pub fn stamps(&self) -> impl Iterator<Item = Timestamp> {
        (0..self.filled).map(|k| self.stamps[(self.oldest + k) % self.spec.frames])
    }

    /// How many of them differ: fewer than there are where the camera gives fewer a second than the network looks at.
    pub fn differing(&self) -> usize {
        let mut last = None;
        self.stamps().filter(|t| last.replace(*t) != Some(*t)).count()
    }

    /// Writes a full clip as the network takes it; `input` has the length of all its frames. False where it is not full or
    /// `input` has another length.
    pub fn write(&self, input: &mut [f32]) -> bool {
        if self.filled < self.spec.frames || input.len() != self.ring.len() {
            return false;
        }
        let plane = self.frame_len / 3;
        for k in 0..self.spec.frames {
            let begin = ((self.oldest + k) % self.spec.frames) * self.frame_len;
            let frame = &self.ring[begin..begin + self.frame_len];
            match self.spec.layout {
                ClipLayout::FramesFirst => input[k * self.frame_len..][..self.frame_len].copy_from_slice(frame),
                ClipLayout::ChannelsFirst => {
                    for (channel, values) in frame.chunks_exact(plane.max(1)).enumerate() {
                        input[(channel * self.spec.frames + k) * plane..][..plane].copy_from_slice(values);
                    }
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::AlertConfig;

    fn spec(frames: usize, layout: ClipLayout) -> ClipSpec {
        ClipSpec { frames, hz: 8.0, layout, alert: AlertConfig::default() }
    }

    /// Frames every `1/hz` s for `seconds`, with jitter of up to `jitter_s` to either side; what came of each, and the buffer.
    fn drive(hz: f64, seconds: f64, jitter_s: f64) -> (Vec<Fed>, ClipBuffer) {
        let mut buffer = ClipBuffer::new(spec(16, ClipLayout::FramesFirst), 3);
        let count = (seconds * hz) as u32;
        let fed = (0..count).map(|k| {
            let jitter = jitter_s * f64::from(k * 37 % 21) / 10.0 - jitter_s;
            buffer.feed(Timestamp::default().plus_seconds(100.0 + f64::from(k) / hz + jitter), &[k as f32; 3])
        });
        (fed.collect(), buffer)
    }

    #[test]
    fn frames_are_chosen_by_capture_time_at_any_rate() {
        for (hz, jitter_s, off_s_max) in [
            (5.0, 0.0, 0.1001),
            (8.0, 0.01, 0.035),
            (10.0, 0.0, 0.0501),
            (10.0, 0.015, 0.09),
            (30.0, 0.004, 0.03),
            (60.0, 0.0, 0.01),
        ] {
            let (fed, buffer) = drive(hz, 10.0, jitter_s);
            assert!(fed.iter().all(|f| !matches!(f, Fed::Anew { .. })), "{hz} Hz");
            let first_full = fed.iter().position(|f| *f == Fed::Full).unwrap();
            let full_s = first_full as f64 / hz;
            assert!((1.7..=2.1).contains(&full_s), "{hz} Hz: full after {full_s} s");
            let stamps: Vec<Timestamp> = buffer.stamps().collect();
            for (k, t) in stamps.iter().enumerate() {
                // Moments lie a stride apart, and so do frames, but for what the camera's own rate and jitter make.
                let moment = buffer.due().plus_seconds((k as f64 - 16.0) / 8.0);
                assert!(t.seconds_since(moment).abs() <= off_s_max, "{hz} Hz, frame {k}: {}", t.seconds_since(moment));
            }
            let asked = fed.iter().filter(|f| **f == Fed::Full).count();
            assert!(asked as f64 <= 8.1 * 10.0 && asked as f64 >= hz.min(8.0) * 7.5, "{hz} Hz: asked {asked} times");
        }
    }

    #[test]
    fn a_slow_camera_repeats_frames_and_one_too_slow_never_fills() {
        let (_, five) = drive(5.0, 10.0, 0.0);
        assert!((10..=11).contains(&five.differing()), "{}", five.differing());
        let (_, ten) = drive(10.0, 10.0, 0.0);
        assert_eq!(ten.differing(), 16);
        let (fed, _) = drive(3.0, 20.0, 0.0);
        assert!(!fed.contains(&Fed::Full));
        let anew = fed.iter().filter(|f| matches!(f, Fed::Anew { gap_s } if (gap_s - 1.0 / 3.0).abs() < 1e-6)).count();
        assert_eq!(anew, fed.len() - 1);
    }

    #[test]
    fn a_gap_or_a_stamp_that_runs_backwards_begins_anew() {
        let (_, mut buffer) = drive(10.0, 4.0, 0.0);
        let t = buffer.last.unwrap();
        assert!(matches!(buffer.feed(t.plus_seconds(0.5), &[0.0; 3]), Fed::Anew { .. }));
        let mut input = [0.0; 48];
        assert!(!buffer.write(&mut input), "one frame is no clip");
        assert!(matches!(buffer.feed(t, &[0.0; 3]), Fed::Anew { gap_s } if gap_s < 0.0));
        assert_eq!(buffer.feed(t.plus_seconds(0.1), &[0.0; 2]), Fed::Passed, "another size");
    }

    #[test]
    fn an_answer_is_one_probability_or_a_logit() {
        let ask = |values: &[f32], activation| {
            let shape = [1, values.len()];
            probability_of(&TensorView { name: "p", shape: &shape, data: TensorData::F32(values) }, activation)
        };
        assert_eq!(ask(&[0.25], ScoreActivation::None), Ok(0.25));
        assert_eq!(ask(&[0.0], ScoreActivation::Sigmoid), Ok(0.5));
        assert_eq!(ask(&[3.0, 3.0], ScoreActivation::Sigmoid), Ok(0.5));
        assert!(ask(&[1.7], ScoreActivation::None).unwrap_err().to_string().contains("sigmoid"));
        assert!(ask(&[f32::NAN], ScoreActivation::Sigmoid).is_err());
        assert!(ask(&[0.0; 3], ScoreActivation::None).unwrap_err().to_string().contains("[1, 3]"));
    }

    #[test]
    fn a_clip_is_written_in_both_layouts_oldest_first() {
        for layout in [ClipLayout::FramesFirst, ClipLayout::ChannelsFirst] {
            let mut buffer = ClipBuffer::new(spec(3, layout), 6);
            for k in 0..5_u8 {
                // Two pixels a plane; the value names frame and channel.
                let frame: Vec<f32> = (0..6).map(|i| f32::from(k * 10 + i / 2)).collect();
                buffer.feed(Timestamp::default().plus_seconds(f64::from(k) / 8.0), &frame);
            }
            let mut input = [0.0; 18];
            assert!(buffer.write(&mut input));
            let pairs: Vec<f32> = input.chunks(2).map(|pair| pair[0]).collect();
            let expected: [f32; 9] = match layout {
                ClipLayout::FramesFirst => [20.0, 21.0, 22.0, 30.0, 31.0, 32.0, 40.0, 41.0, 42.0],
                ClipLayout::ChannelsFirst => [20.0, 30.0, 40.0, 21.0, 31.0, 41.0, 22.0, 32.0, 42.0],
            };
            assert_eq!(pairs, expected, "{layout:?}");
        }
    }
}
