//! Every loss against values that numpy computed, and its gradient against finite differences of itself.

use serde_json::Value;

use super::{Taught, features, logits, shape};
use crate::data::random::Random;
use crate::loss::depth::silog_of;
use crate::loss::detect::quality_focal;

const VECTORS: &str = include_str!("../../../../../tests/data/losses/vectors.json");
/// Relative error allowed, of values and of gradients.
const CLOSE: f64 = 1e-5;

struct Case<'a>(&'a Value);

impl Case<'_> {
    fn list(&self, key: &str) -> Vec<f64> {
        let items = self.0[key].as_array().unwrap_or_else(|| panic!("{key} in {}", self.0["loss"]));
        items.iter().map(|v| v.as_f64().unwrap()).collect()
    }

    fn whole(&self, key: &str) -> Vec<usize> {
        self.list(key).into_iter().map(|v| v as usize).collect()
    }

    fn number(&self, key: &str) -> f64 {
        self.0[key].as_f64().unwrap_or_else(|| panic!("{key} in {}", self.0["loss"]))
    }

    fn count(&self, key: &str) -> usize {
        self.number(key) as usize
    }

    fn boxes(&self) -> Vec<[usize; 4]> {
        self.whole("boxes").chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]).collect()
    }

    /// Runs of `classes` values of student, teacher and weights.
    fn batch(&self, of: impl Fn(&[logits::Sample<'_>]) -> Taught, student: &[f64]) -> Taught {
        let (teacher, weights, n) = (self.list("teacher"), self.list("weights"), self.count("classes"));
        let rows = student.chunks_exact(n).zip(teacher.chunks_exact(n)).zip(weights.chunks_exact(n));
        of(&rows.map(|((s, t), w)| (s, t, w)).collect::<Vec<_>>())
    }

    fn run(&self, s: &[f64]) -> Taught {
        let t = || self.list("teacher");
        match self.0["loss"].as_str().unwrap() {
            "kd" => logits::kd(s, &t(), self.number("t")),
            "kd_sigmoid" => logits::kd_sigmoid(s, &t(), self.number("t")),
            "sigmoid_gap" => logits::sigmoid_gap(s, &t(), &self.list("mean")),
            "weighted_gap" => self.batch(logits::weighted_gap, s),
            "gkl" => {
                let [alpha, beta, t] = ["alpha", "beta", "t"].map(|k| self.number(k));
                self.batch(|b| logits::gkl(b, alpha, beta, t), s)
            }
            "dkd" => logits::dkd(s, &t(), self.count("y"), ["alpha", "beta", "t"].map(|k| self.number(k))),
            "cist" => logits::cist(s, &t(), self.number("kappa")),
            "sides" => shape::sides(s, &t(), self.count("bins"), self.number("t")),
            "plain" => features::plain(s, &t()),
            "cosine" => features::cosine(s, &t(), self.count("plane")),
            "masked" => features::masked(s, &t(), &self.list("mask")),
            "generated" => features::generated(s, &t(), self.count("pictures")),
            "channelwise" => features::channelwise(s, &t(), self.count("plane"), self.number("tau")),
            "pearson" => features::pearson(s, &t(), ["pictures", "channels", "plane"].map(|k| self.count(k))),
            "focal" => {
                let (fg, bg) = features::focal_masks(self.count("plane"), self.count("columns"), &self.boxes());
                let weights = features::Focal { foreground: 1.0, background: 0.5, attention: 0.1 };
                features::focal(s, &t(), (&fg, &bg), weights)
            }
            "scale_and_shift" => shape::scale_and_shift(s, &t()),
            "gradients" => shape::gradients(s, self.count("columns")),
            "instances" => {
                let (pixels, mut at) = (self.whole("masks"), 0);
                let take = |n: usize| {
                    at += n;
                    pixels[at - n..at].to_vec()
                };
                let masks: Vec<Vec<usize>> = self.whole("sizes").into_iter().map(take).collect();
                shape::instances(s, &t(), &masks)
            }
            other => panic!("no such loss: {other}"),
        }
    }
}

fn cases() -> Vec<Value> {
    serde_json::from_str::<Value>(VECTORS).unwrap()["cases"].as_array().unwrap().clone()
}

/// What is checked apart: in f32, or no loss of a student.
const APART: [&str; 3] = ["quality_focal", "silog", "focal_masks"];

#[test]
fn values_are_those_of_numpy() {
    let mut checked = 0;
    for case in cases().iter().filter(|c| !APART.contains(&c["loss"].as_str().unwrap())) {
        let (value, _) = Case(case).run(&Case(case).list("student"));
        let want = case["value"].as_f64().unwrap();
        assert!((value - want).abs() <= CLOSE * (1.0 + want.abs()), "{}: {value}, numpy {want}", case["loss"]);
        checked += 1;
    }
    assert!(checked >= 24, "{checked}");
}

#[test]
fn gradients_are_those_of_finite_differences() {
    for case in cases().iter().filter(|c| !APART.contains(&c["loss"].as_str().unwrap())) {
        // CIST stops the gradient at its temperatures, so differences of the whole are not its gradient.
        if case["loss"] == "cist" {
            continue;
        }
        let case = Case(case);
        let student = case.list("student");
        let (_, grad) = case.run(&student);
        assert_eq!(grad.len(), student.len());
        let largest = grad.iter().map(|g| g.abs()).fold(1e-3, f64::max);
        for i in 0..student.len() {
            let step = 1e-6 * (1.0 + student[i].abs());
            let moved = |by: f64| {
                let mut s = student.clone();
                s[i] += by;
                case.run(&s).0
            };
            let slope = (moved(step) - moved(-step)) / (2.0 * step);
            let gap = (slope - grad[i]).abs();
            assert!(gap <= 1e-4 * largest, "{} at {i}: {} by hand, {slope} by differences", case.0["loss"], grad[i]);
        }
    }
}

#[test]
fn quality_focal_and_silog_are_those_of_numpy() {
    for case in cases() {
        let c = Case(&case);
        let want = case["value"].as_f64().unwrap();
        let value = match case["loss"].as_str().unwrap() {
            "quality_focal" => {
                let z = c.list("student")[0] as f32;
                let (y, focus) = (c.number("target") as f32, c.number("focus") as f32);
                let (value, slope) = quality_focal(z, y, focus);
                let step = 1e-2f32;
                let moved = quality_focal(z + step, y, focus).0 - quality_focal(z - step, y, focus).0;
                assert!((moved / (2.0 * step) - slope).abs() < 1e-3);
                f64::from(value)
            }
            "silog" => {
                let gap: Vec<f32> =
                    c.list("student").iter().zip(c.list("teacher")).map(|(s, t)| (s - t) as f32).collect();
                silog_of(&gap, 0.0, &mut vec![0.0; gap.len()])
            }
            "focal_masks" => {
                let (fg, bg) = features::focal_masks(c.count("plane"), c.count("columns"), &c.boxes());
                let weighed: f64 = fg.iter().enumerate().map(|(i, v)| v * i as f64).sum();
                fg.iter().sum::<f64>() + 10.0 * bg.iter().sum::<f64>() + weighed
            }
            _ => continue,
        };
        assert!((value - want).abs() <= CLOSE * (1.0 + want.abs()), "{}: {value}, numpy {want}", case["loss"]);
    }
}

#[test]
fn the_short_form_of_the_gap_is_the_long_one() {
    let (s, t, w) = ([1.0, -2.0, 0.5, 3.0], [0.0, 1.5, -1.0, 2.0], [0.4, 0.3, 0.2, 0.9]);
    let (mut sum, mut mass) = (0.0, 0.0);
    for i in 0..4 {
        for j in 0..4 {
            let gap: f64 = (t[i] - t[j]) - (s[i] - s[j]);
            sum += w[i] * w[j] * gap * gap;
            mass += w[i] * w[j];
        }
    }
    let (short, _) = logits::weighted_gap(&[(&s, &t, &w)]);
    assert!((short - 0.25 * sum / mass).abs() < 1e-12);
}

#[test]
fn losses_vanish_where_the_student_is_the_teacher() {
    let z: Vec<f64> = (0..24).map(|i| f64::from(i * 7 % 11) - 5.0).collect();
    let (fg, bg) = features::focal_masks(8, 4, &[[1, 0, 2, 1]]);
    let ones = features::Focal { foreground: 1.0, background: 1.0, attention: 1.0 };
    let all = [
        logits::kd(&z, &z, 4.0),
        logits::dkd(&z, &z, 3, [1.0, 8.0, 4.0]),
        logits::cist(&z, &z, 3.0),
        shape::sides(&z, &z, 8, 10.0),
        features::plain(&z, &z),
        features::cosine(&z, &z, 8),
        features::masked(&z, &z, &fg),
        features::channelwise(&z, &z, 8, 4.0),
        features::pearson(&z, &z, [1, 3, 8]),
        features::focal(&z, &z, (&fg, &bg), ones),
        shape::scale_and_shift(&z, &z),
    ];
    for (index, (value, grad)) in all.iter().enumerate() {
        assert!(value.abs() < 1e-9 && grad.iter().all(|g| g.abs() < 1e-6), "loss {index}: {value}");
    }
}

#[test]
fn extreme_logits_give_finite_losses() {
    let (s, t) = ([50.0, -50.0, 0.0], [-50.0, 50.0, 0.0]);
    let w = [1.0 / 3.0; 3];
    for (value, grad) in [
        logits::kd(&s, &t, 1.0),
        logits::kd_sigmoid(&s, &t, 1.0),
        logits::gkl(&[(&s, &t, &w)], 1.0, 1.0, 1.0),
        logits::dkd(&s, &t, 0, [1.0, 8.0, 1.0]),
        logits::cist(&s, &t, 3.0),
    ] {
        assert!(value.is_finite() && grad.iter().all(|g| g.is_finite()), "{value}");
    }
}

#[test]
fn adaptive_temperatures_even_out_entropy() {
    // Logits whose scale spreads tenfold: with a fixed temperature some answers are sharp and some flat.
    let answers: Vec<Vec<f64>> = (0..200u32)
        .map(|i| {
            let scale = 2.0 * 10f64.powf(f64::from(i) / 200.0);
            let mut random = Random::new(u64::from(i), &[]);
            (0..10).map(|_| scale * f64::from(random.normal())).collect()
        })
        .collect();
    let spread = |t: &dyn Fn(&[f64]) -> f64| {
        let entropy = |z: &Vec<f64>| {
            let log_p = super::log_softmax(z, t(z));
            -log_p.iter().map(|l| l.exp() * l).sum::<f64>()
        };
        let all: Vec<f64> = answers.iter().map(entropy).collect();
        let mean = all.iter().sum::<f64>() / 200.0;
        (all.iter().map(|e| (e - mean) * (e - mean)).sum::<f64>() / 200.0).sqrt()
    };
    let (fixed, adaptive) = (spread(&|_| 4.0), spread(&|z| logits::cist_temperature(z, 3.0)));
    assert!(adaptive <= 0.25 * fixed, "spread {adaptive} with adaptive temperatures, {fixed} with a fixed one");
}

#[test]
fn class_priors_are_those_of_the_epoch_before() {
    let mut priors = logits::ClassPriors::new(3);
    assert_eq!(priors.weights(0, 1.0), [1.0 / 3.0; 3]);
    priors.see(1, &[0.0, 2f64.ln(), 0.0], 1.0);
    assert_eq!(priors.weights(1, 1.0), [1.0 / 3.0; 3], "until the epoch ends");
    priors.end_epoch();
    let w = priors.weights(1, 1.0);
    assert!((w[0] - 0.25).abs() < 1e-12 && (w[1] - 0.5).abs() < 1e-12);
    assert_eq!(priors.weights(2, 2.0), [1.0 / 9.0; 3]);
}

#[test]
fn a_mask_lies_where_its_box_does_on_a_map_that_is_not_square() {
    // 3 rows of 5: a box over columns 3..=4 of row 0 only.
    let (fg, bg) = features::focal_masks(15, 5, &[[3, 0, 4, 0]]);
    assert_eq!((fg[3], fg[4], fg[8], fg[5]), (0.5, 0.5, 0.0, 0.0));
    assert!((bg[0] - 1.0 / 13.0).abs() < 1e-12 && bg[3] == 0.0);
}
