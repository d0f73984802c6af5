//! Energy: joules from samples and counters, stages that must add up, and when a distillation has paid for itself.
//!
//! A sensor that is missing yields `None` with its reason, never 0; an estimate says that it is one. Reading sensors and
//! clocks is the caller's.

use serde::{Deserialize, Serialize};

/// Where a figure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnergySource {
    /// Intel or AMD package counters.
    Rapl,
    /// The power monitor of a Jetson's rails.
    JetsonIna3221,
    /// CPU seconds times a declared power: an estimate, not a measurement.
    CpuSecondsEstimate,
}

/// Energy of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnergyReport {
    /// Where it comes from; `None` where nothing could be read.
    pub source: Option<EnergySource>,
    /// Joules; `None` where nothing could be read.
    pub joules: Option<f64>,
    /// Joules less what an idle machine takes in that time, where the idle power is known.
    pub joules_net: Option<f64>,
    /// Joules a frame (net where known).
    pub joules_per_frame: Option<f64>,
    /// Frames.
    pub frames: u64,
    /// Samples a second, for sampled sources (10 or more are wanted).
    pub sample_rate_hz: Option<f64>,
    /// What to know when reading the figures.
    pub notes: Vec<String>,
}

/// Sampling slower than this misses bursts.
const SAMPLE_RATE_MIN_HZ: f64 = 10.0;

/// Energy of samples (seconds, watts) by the trapezoid rule; `None` unless two samples ascend in time and are finite.
pub fn joules_from_samples(samples: &[(f64, f64)]) -> Option<f64> {
    let sound = samples.iter().all(|(t, w)| t.is_finite() && w.is_finite() && *w >= 0.0);
    let ascending = samples.windows(2).all(|w| w[1].0 > w[0].0);
    (samples.len() >= 2 && sound && ascending)
        .then(|| samples.windows(2).map(|w| (w[1].0 - w[0].0) * (w[0].1 + w[1].1) / 2.0).sum())
}

/// Energy between two readings of a counter in microjoules that wraps beyond `max` (`max_energy_range_uj`).
pub fn joules_from_counter(before_uj: u64, after_uj: u64, max_uj: u64) -> f64 {
    let difference =
        if after_uj >= before_uj { after_uj - before_uj } else { max_uj.saturating_sub(before_uj) + after_uj };
    difference as f64 / 1e6
}

impl EnergyReport {
    /// From power samples (seconds, watts).
    pub fn from_samples(source: EnergySource, samples: &[(f64, f64)], idle_w: Option<f64>, frames: u64) -> Self {
        let span = samples.first().zip(samples.last()).map(|(a, b)| b.0 - a.0).filter(|s| *s > 0.0);
        let mut report = Self::measured(source, joules_from_samples(samples), span.zip(idle_w), frames);
        report.sample_rate_hz = span.map(|s| (samples.len() - 1) as f64 / s);
        if let Some(rate) = report.sample_rate_hz.filter(|r| *r < SAMPLE_RATE_MIN_HZ) {
            report.notes.push(format!(
                "sampled at {rate:.1} Hz: bursts between samples are missed, {SAMPLE_RATE_MIN_HZ} Hz or more are wanted"
            ));
        }
        report
    }

    /// From a counter's difference in joules over `seconds`.
    pub fn from_counter(source: EnergySource, joules: f64, seconds: f64, idle_w: Option<f64>, frames: u64) -> Self {
        Self::measured(source, Some(joules).filter(|j| j.is_finite() && *j > 0.0), Some(seconds).zip(idle_w), frames)
    }

    /// From CPU seconds and a declared power of one busy core: openly an estimate.
    pub fn estimate(cpu_seconds: f64, watts_per_core: f64, frames: u64) -> Self {
        let joules = Some(cpu_seconds * watts_per_core).filter(|j| j.is_finite() && *j > 0.0);
        let mut report = Self::measured(EnergySource::CpuSecondsEstimate, joules, None, frames);
        report.notes.push(format!(
            "ESTIMATE, not measured: {cpu_seconds:.2} CPU seconds x {watts_per_core} W a core as declared; GPU and memory are left out"
        ));
        report
    }

    /// Where there is neither sensor nor estimate.
    pub fn missing(reason: &str, frames: u64) -> Self {
        let notes = vec![reason.to_owned()];
        Self {
            source: None,
            joules: None,
            joules_net: None,
            joules_per_frame: None,
            frames,
            sample_rate_hz: None,
            notes,
        }
    }

    fn measured(source: EnergySource, joules: Option<f64>, idle: Option<(f64, f64)>, frames: u64) -> Self {
        let mut notes = Vec::new();
        if joules.is_none() {
            notes.push("the sensor gave no usable reading".to_owned());
        }
        let joules_net = joules.zip(idle).map(|(j, (seconds, watts))| j - seconds * watts);
        let best = joules_net.or(joules);
        if joules_net.is_some_and(|net| net <= 0.0) {
            notes
                .push("the run took no more than an idle machine: net energy is below what can be resolved".to_owned());
        }
        let joules_per_frame = best.filter(|j| frames > 0 && *j > 0.0).map(|j| j / frames as f64);
        Self { source: Some(source), joules, joules_net, joules_per_frame, frames, sample_rate_hz: None, notes }
    }
}

/// Stages of an experiment (preparation, teacher, student, evaluation) against the measured whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageSum {
    /// Joules of the stages together.
    pub sum_j: f64,
    /// Joules measured over all.
    pub total_j: f64,
    /// (sum - total) / total; `None` where the total is not positive.
    pub deviation: Option<f64>,
    /// Within 2 %.
    pub adds_up: bool,
}

/// Stages may miss the whole by this much.
const STAGE_TOLERANCE: f64 = 0.02;

/// Checks that stages add up.
pub fn stage_sum(stages_j: &[f64], total_j: f64) -> StageSum {
    let sum_j: f64 = stages_j.iter().sum();
    let deviation = (total_j > 0.0 && sum_j.is_finite()).then(|| (sum_j - total_j) / total_j);
    StageSum { sum_j, total_j, deviation, adds_up: deviation.is_some_and(|d| d.abs() <= STAGE_TOLERANCE) }
}

/// When a distillation has paid for itself; `None` where it never does, or where it took nothing: 0 is no figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BreakEven {
    /// Students over which the teacher's energy is spread: E_teacher / (E_direct - E_student).
    pub students: Option<f64>,
    /// Frames after which the energy spent in addition has been saved: E_extra / (j_reference - j_student).
    pub frames: Option<f64>,
}

/// Energies in joules: of the teacher, of training a model directly, of training the student with the teacher's outputs
/// at hand; joules a frame of the model in use today and of the student.
pub fn break_even(
    teacher_j: f64,
    direct_j: f64,
    student_j: f64,
    frame_reference_j: f64,
    frame_student_j: f64,
) -> BreakEven {
    let ratio =
        |cost: f64, gain: f64| (cost > 0.0 && gain > 0.0 && cost.is_finite() && gain.is_finite()).then(|| cost / gain);
    BreakEven {
        students: ratio(teacher_j, direct_j - student_j),
        frames: ratio(teacher_j + student_j, frame_reference_j - frame_student_j),
    }
}

/// The energy of a teacher's outputs for a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TeacherEnergy {
    /// The training asked no teacher.
    NotAsked,
    /// It did, for these joules; `None` where they are unknown.
    Asked(Option<f64>),
}

/// What a student cost to make, and when that is paid back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Making {
    /// Its training.
    pub training: EnergyReport,
    /// Whether a teacher was asked for its outputs: without one there is no energy of a teacher to pay back.
    #[serde(default)]
    pub asked_teacher: bool,
    /// Joules of the teacher for it: `None` where unknown, or none was asked.
    pub teacher_j: Option<f64>,
    /// Joules of training a network like it directly: `None` where unknown.
    pub direct_j: Option<f64>,
    /// Joules a frame of the network that it replaces.
    pub frame_reference_j: Option<f64>,
    /// Joules a frame of the student.
    pub frame_student_j: Option<f64>,
    /// When it has paid for itself.
    pub break_even: BreakEven,
    /// What is not known, and what is an estimate.
    pub notes: Vec<String>,
}

impl Making {
    /// From the training's energy, that of the teacher's outputs and of a direct training, and joules a frame of
    /// (reference, student). What is unknown leaves its figure undefined, with the reason.
    pub fn new(
        training: EnergyReport,
        teacher: TeacherEnergy,
        direct_j: Option<f64>,
        frame: (Option<f64>, Option<f64>),
    ) -> Self {
        let mut notes = Vec::new();
        let mut known = |value: Option<f64>, what: &str| {
            if value.is_none() {
                notes.push(format!("{what} is not known"));
            }
            value.unwrap_or(f64::NAN)
        };
        let (asked_teacher, teacher_j) = match teacher {
            TeacherEnergy::NotAsked => (false, None),
            TeacherEnergy::Asked(joules) => (true, joules),
        };
        let student = known(training.joules_net.or(training.joules), "the energy of training the student");
        let teacher = if asked_teacher { known(teacher_j, "the energy of the teacher's outputs") } else { 0.0 };
        let direct =
            if asked_teacher { known(direct_j, "the energy of training directly, without a teacher") } else { 0.0 };
        let reference = known(frame.0, "the energy a frame of the network that it replaces");
        let own = known(frame.1, "the energy a frame of the student");
        let break_even = break_even(teacher, direct, student, reference, own);
        if !asked_teacher {
            notes.push(
                "N*: no teacher was asked in this training, so there is no energy of one to spread over students"
                    .to_owned(),
            );
        } else if break_even.students.is_none() && [teacher, direct, student].iter().all(|v| v.is_finite()) {
            notes.push("N*: never, for training directly took no more energy than the student".to_owned());
        }
        if break_even.frames.is_none() && [teacher, student, reference, own].iter().all(|v| v.is_finite()) {
            notes.push("frames: never, for the student takes no less energy a frame".to_owned());
        }
        let (frame_reference_j, frame_student_j) = frame;
        Self { training, asked_teacher, teacher_j, direct_j, frame_reference_j, frame_student_j, break_even, notes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_follows_the_samples_and_the_counter() {
        let samples: Vec<(f64, f64)> = (0..=20).map(|i| (f64::from(i) / 10.0, 5.0 + f64::from(i))).collect();
        assert!((joules_from_samples(&samples).unwrap() - 30.0).abs() < 1e-9);
        let report = EnergyReport::from_samples(EnergySource::JetsonIna3221, &samples, Some(5.0), 10);
        assert!(
            (report.joules_net.unwrap() - 20.0).abs() < 1e-9 && (report.joules_per_frame.unwrap() - 2.0).abs() < 1e-9
        );
        assert_eq!(joules_from_counter(900, 100, 1000), 0.0002);
        assert_eq!(joules_from_counter(1_000_000, 3_000_000, 9_000_000), 2.0);
        assert_eq!(joules_from_samples(&[(0.0, 5.0)]), None);
        assert_eq!(joules_from_samples(&[(1.0, 5.0), (0.0, 5.0)]), None);
    }

    #[test]
    fn what_is_missing_is_never_zero() {
        let missing = EnergyReport::missing("no power sensor is readable", 100);
        assert_eq!((missing.joules, missing.joules_per_frame), (None, None));
        let zero = EnergyReport::from_counter(EnergySource::Rapl, 0.0, 1.0, None, 10);
        assert!(zero.joules.is_none() && !zero.notes.is_empty());
        let estimate = EnergyReport::estimate(2.0, 10.0, 10);
        assert!(estimate.notes[0].starts_with("ESTIMATE") && estimate.joules_per_frame == Some(2.0));
    }

    #[test]
    fn sums_and_break_even() {
        assert!(stage_sum(&[10.0, 20.0, 69.0], 100.0).adds_up);
        assert!(!stage_sum(&[10.0, 20.0, 60.0], 100.0).adds_up);
        assert_eq!(stage_sum(&[1.0], 0.0).deviation, None);
        let got = break_even(100.0, 30.0, 20.0, 3.0, 1.0);
        assert_eq!((got.students, got.frames), (Some(10.0), Some(60.0)));
        let never = break_even(100.0, 20.0, 30.0, 1.0, 1.0);
        assert_eq!((never.students, never.frames), (None, None));
        let nothing = break_even(0.0, 30.0, 20.0, 3.0, 1.0);
        assert_eq!((nothing.students, nothing.frames), (None, Some(10.0)), "0 students is no figure");
    }

    #[test]
    fn what_making_took_is_paid_back_or_says_why_not() {
        let training = EnergyReport::estimate(2.0, 10.0, 100);
        let asked = |joules, direct, frame| Making::new(training.clone(), TeacherEnergy::Asked(joules), direct, frame);
        let both = (Some(3.0), Some(1.0));
        let known = asked(Some(100.0), Some(30.0), both);
        assert_eq!((known.break_even, known.notes.len()), (break_even(100.0, 30.0, 20.0, 3.0, 1.0), 0));
        let unknown = asked(Some(100.0), None, (Some(1.0), Some(2.0)));
        assert_eq!((unknown.break_even.students, unknown.break_even.frames), (None, None));
        assert!(unknown.notes[0].contains("training directly") && unknown.notes[1].starts_with("frames: never"));
        let dear = asked(Some(100.0), Some(10.0), both);
        assert!(dear.break_even.students.is_none() && dear.notes[0].starts_with("N*: never"), "{:?}", dear.notes);
        let alone = Making::new(training.clone(), TeacherEnergy::NotAsked, Some(30.0), both);
        assert_eq!((alone.break_even.students, alone.teacher_j), (None, None));
        assert_eq!(alone.break_even.frames, Some(10.0), "its training alone has to be paid back");
        assert!(alone.notes[0].contains("no teacher was asked"), "{:?}", alone.notes);
    }
}
