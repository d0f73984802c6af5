//! Charts as inline SVG: reliability diagram and precision-recall curves. Colours come from the page's style sheet.

use std::fmt::Write;

use super::{CurvePair, ReliabilityPair};
use crate::calib::Bin;

/// Side of the plotting area, user units.
const SIDE: f64 = 260.0;

/// Room for the labels at the left and below.
const MARGIN: f64 = 48.0;

/// A number as SVG wants it.
fn n(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn x(value: f64) -> f64 {
    MARGIN + SIDE * value.clamp(0.0, 1.0)
}

fn y(value: f64) -> f64 {
    10.0 + SIDE * (1.0 - value.clamp(0.0, 1.0))
}

fn open(title: &str, horizontal: &str, vertical: &str) -> String {
    let mut svg = format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{title}\">",
        n(MARGIN + SIDE + 12.0),
        n(SIDE + 52.0)
    );
    for tick in 0..=4 {
        let v = f64::from(tick) / 4.0;
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{} {}H{}M{} {}V{}\"/><text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{v:.2}</text>\
             <text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{v:.2}</text>",
            n(x(0.0)),
            n(y(v)),
            n(x(1.0)),
            n(x(v)),
            n(y(0.0)),
            n(y(1.0)),
            n(MARGIN - 6.0),
            n(y(v) + 3.5),
            n(x(v)),
            n(y(0.0) + 15.0)
        );
    }
    let middle = n(y(0.5));
    let _ = write!(
        svg,
        "<text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{horizontal}</text>\
         <text class=\"axis\" transform=\"rotate(-90 9 {middle})\" x=\"9\" y=\"{middle}\" text-anchor=\"middle\">{vertical}</text>",
        n(x(0.5)),
        n(y(0.0) + 33.0)
    );
    svg
}

/// Confidence against accuracy; the size of a dot is the bin's share of the samples.
pub(super) fn reliability(pair: &ReliabilityPair) -> String {
    let mut svg = open("Reliability diagram", "mean score", "share that is right");
    let _ = write!(svg, "<path class=\"ideal\" d=\"M{} {}L{} {}\"/>", n(x(0.0)), n(y(0.0)), n(x(1.0)), n(y(1.0)));
    for (class, bins) in [("teacher", &pair.teacher), ("student", &pair.student)] {
        series(&mut svg, class, bins);
    }
    svg + "</svg>"
}

fn series(svg: &mut String, class: &str, bins: &[Bin]) {
    let total: usize = bins.iter().map(|b| b.n).sum();
    let points: Vec<(f64, f64, usize)> = bins.iter().filter_map(|b| Some((b.confidence?, b.accuracy?, b.n))).collect();
    let line: Vec<(f64, f64)> = points.iter().map(|p| (p.0, p.1)).collect();
    path(svg, class, &line);
    for (confidence, accuracy, count) in points {
        let share = count as f64 / total.max(1) as f64;
        let _ = write!(
            svg,
            "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"><title>{class}: {count} detections, mean score {confidence:.3}, right {accuracy:.3}</title></circle>",
            n(x(confidence)),
            n(y(accuracy)),
            n(2.5 + 7.0 * share.sqrt())
        );
    }
}

fn path(svg: &mut String, class: &str, points: &[(f64, f64)]) {
    let mut d = String::new();
    for (i, (h, v)) in points.iter().enumerate().filter(|(_, p)| p.0.is_finite() && p.1.is_finite()) {
        let _ = write!(d, "{}{} {}", if i == 0 { 'M' } else { 'L' }, n(x(*h)), n(y(*v)));
    }
    if !d.is_empty() {
        let _ = write!(svg, "<path class=\"line {class}\" d=\"{d}\"/>");
    }
}

/// Precision against recall.
pub(super) fn precision_recall(curve: &CurvePair) -> String {
    let mut svg = open("Precision against recall", "recall", "precision");
    path(&mut svg, "teacher", &curve.teacher);
    path(&mut svg, "student", &curve.student);
    svg + "</svg>"
}

/// A bar that shows an interval of a loss or gain against 0: `good` says whether right is better. Values in units of the
/// largest magnitude shown.
pub(super) fn whisker(difference: f64, interval: Option<(f64, f64)>, higher_is_better: bool) -> String {
    let (low, high) = interval.unwrap_or((difference, difference));
    let reach = low.abs().max(high.abs()).max(difference.abs());
    if reach <= 0.0 || !reach.is_finite() {
        return "<svg class=\"whisker\" viewBox=\"0 0 90 16\" aria-hidden=\"true\"><path class=\"zero\" d=\"M45 1V15\"/></svg>".into();
    }
    let at = |v: f64| n(45.0 + 40.0 * v / reach);
    let class = if (difference > 0.0) == higher_is_better { "gain" } else { "loss" };
    format!(
        "<svg class=\"whisker\" viewBox=\"0 0 90 16\" aria-hidden=\"true\"><path class=\"zero\" d=\"M45 1V15\"/>\
         <path class=\"{class}\" d=\"M{} 8H{}\"/><circle class=\"{class}\" cx=\"{}\" cy=\"8\" r=\"3.5\"/></svg>",
        at(low),
        at(high),
        at(difference)
    )
}
