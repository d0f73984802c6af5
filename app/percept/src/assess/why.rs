//! The reason of a risk in words and numbers: track, class, distance and its source, closing speed and sigma, time to
//! collision, place in the path, and what was crossed. Never a command.

use std::fmt::Write;

use super::assessor::Subject;
use super::risk::{Evidence, RiskConfig};
use super::threat::{Threat, stopping_distance_m};
use super::ttc::TimeToCollision;
use crate::report::Risk;

/// What a risk rests on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reason<'a> {
    /// Range and closing speed along the path.
    Threat(&'a Threat),
    /// A growing box, with the time that gives.
    Growth(Option<TimeToCollision>),
    /// In the corridor, and how fast it closes is not known yet.
    SpeedUnknown {
        /// From the front along the path, metres.
        gap_m: f64,
    },
    /// Nothing is known of it now; what was said is held.
    NoLonger,
}

/// The reason as one sentence.
pub(super) fn sentence(
    subject: &Subject<'_>,
    risk: Risk,
    reason: &Reason<'_>,
    evidence: &Evidence,
    config: &RiskConfig,
) -> String {
    let mut text = format!("{} {}", subject.class, subject.track);
    if let Some((distance_m, sigma_m, source)) = subject.distance {
        write(&mut text, format_args!(" at {distance_m:.1} m by {} (sigma {sigma_m:.2})", source.name()));
    }
    match reason {
        Reason::Threat(threat) => {
            approach(&mut text, threat);
            crossed(&mut text, risk, evidence, config);
            if let Some(shortage) = too_short(risk, threat, config) {
                text.push_str(&shortage);
            }
        }
        Reason::Growth(time) => {
            text.push_str(", straight ahead, no range: growth of its box");
            if let Some(time) = time {
                due(&mut text, time);
            }
            crossed(&mut text, risk, evidence, config);
        }
        Reason::SpeedUnknown { gap_m } => {
            let watch_s = config.watch_s;
            write(
                &mut text,
                format_args!(
                    ", gap {gap_m:.1} m in the path, closing speed not known yet; reached within {watch_s} s if it stands"
                ),
            );
        }
        Reason::NoLonger => text.push_str(", not measured now: an earlier risk is held"),
    }
    text
}

fn approach(text: &mut String, threat: &Threat) {
    let m = &threat.motion;
    let sigma = m.var_closing.max(0.0).sqrt();
    if threat.gap_m >= 0.0 {
        write(text, format_args!(", gap {:.1} m", threat.gap_m));
    }
    write(text, format_args!(", closing at {:.1} m/s (sigma {sigma:.1})", m.closing));
    if let Some(time) = &threat.time {
        due(text, time);
    }
    let percent = threat.in_path * 100.0;
    match threat.enters_s {
        Some(t) => write(
            text,
            format_args!(
                ", {:.1} m beside the path and in it from {t:.1} s on (then in the path: {percent:.0} %)",
                threat.left_m.abs()
            ),
        ),
        None => write(text, format_args!(", in the path: {percent:.0} %")),
    }
}

fn due(text: &mut String, time: &TimeToCollision) {
    write(text, format_args!(", contact in {:.1} s ({:.1} to {:.1})", time.ttc_s, time.low_s, time.high_s));
}

fn crossed(text: &mut String, risk: Risk, evidence: &Evidence, config: &RiskConfig) {
    let (p, bound_s) = match risk {
        Risk::Clear => return,
        Risk::Watch => (evidence.watch, config.watch_s),
        Risk::Warn => (evidence.warn, config.warn_s),
        Risk::Critical => (evidence.critical, config.critical_s),
    };
    if p >= config.enter {
        write(text, format_args!("; within {bound_s} s or too near to come to rest: P {p:.2} >= {:.2}", config.enter));
    } else {
        write(text, format_args!("; held: P {p:.2} after it had reached {:.2}", config.enter));
    }
}

/// The stopping distance where the gap is shorter.
fn too_short(risk: Risk, threat: &Threat, config: &RiskConfig) -> Option<String> {
    let delay_s = match risk {
        Risk::Clear | Risk::Watch => return None,
        Risk::Warn => config.latency_s + config.reaction_s,
        Risk::Critical => config.latency_s,
    };
    let needed_m = stopping_distance_m(threat.motion.closing, config.deceleration_mps2, delay_s);
    (threat.motion.closing > 0.0 && needed_m > threat.gap_m).then(|| {
        let deceleration = config.deceleration_mps2;
        format!("; way to come to rest over it {needed_m:.1} m at {deceleration} m/s2 after {delay_s:.1} s")
    })
}

/// Formatting into a `String` cannot fail; there is no error to hand on.
fn write(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(arguments);
}
