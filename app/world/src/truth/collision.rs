//! Time to collision and collision labels.

use crate::actors::contact::{Contact, Party};

/// Whether and when the ego vehicle touches something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CollisionLabel {
    /// The contact has happened already.
    pub collided: bool,
    /// It happens within the horizon.
    pub within_horizon: bool,
    /// Seconds until the contact, where it lies ahead, however far.
    pub time_to_s: Option<f64>,
    /// When it happens, seconds from the start.
    pub at_s: Option<f64>,
    /// With which actor.
    pub actor: Option<usize>,
}

impl CollisionLabel {
    pub(crate) fn new(contact: Option<&Contact>, t_s: f64, horizon_s: f64) -> Self {
        let at_s = contact.map(|c| c.t_s);
        let actor = contact.and_then(|c| match (c.a, c.b) {
            (Party::Actor(i), _) | (_, Party::Actor(i)) => Some(i),
            _ => None,
        });
        let time_to_s = at_s.map(|at| at - t_s).filter(|dt| *dt > 0.0);
        Self {
            collided: at_s.is_some_and(|at| at <= t_s),
            within_horizon: time_to_s.is_some_and(|dt| dt <= horizon_s),
            time_to_s,
            at_s,
            actor,
        }
    }
}

/// A rectangle on the ground that moves without turning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mover {
    pub(crate) centre: [f64; 2],
    pub(crate) yaw: f64,
    /// Length, width.
    pub(crate) size: [f64; 2],
    pub(crate) velocity: [f64; 2],
}

/// Seconds until two rectangles touch if both keep their velocity; `None` where they never do, 0 where they touch now.
pub(crate) fn time_to_touch(a: &Mover, b: &Mover) -> Option<f64> {
    let axis = |yaw: f64| [libm::cos(yaw), libm::sin(yaw)];
    let (ua, ub) = (axis(a.yaw), axis(b.yaw));
    let axes = [ua, [-ua[1], ua[0]], ub, [-ub[1], ub[0]]];
    let (mut enter, mut leave) = (0.0f64, f64::INFINITY);
    for n in axes {
        let reach = |m: &Mover, u: [f64; 2]| {
            let along = libm::fabs(n[0] * u[0] + n[1] * u[1]);
            let across = libm::fabs(n[1] * u[0] - n[0] * u[1]);
            0.5 * (m.size[0] * along + m.size[1] * across)
        };
        let sum = reach(a, ua) + reach(b, ub);
        let gap = (b.centre[0] - a.centre[0]) * n[0] + (b.centre[1] - a.centre[1]) * n[1];
        let rate = (b.velocity[0] - a.velocity[0]) * n[0] + (b.velocity[1] - a.velocity[1]) * n[1];
        if libm::fabs(rate) < 1e-9 {
            if libm::fabs(gap) > sum {
                return None;
            }
            continue;
        }
        let (t0, t1) = ((-sum - gap) / rate, (sum - gap) / rate);
        enter = enter.max(t0.min(t1));
        leave = leave.min(t0.max(t1));
    }
    (enter <= leave && leave >= 0.0).then_some(enter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mover(x: f64, y: f64, v: [f64; 2]) -> Mover {
        Mover { centre: [x, y], yaw: 0.0, size: [4.0, 2.0], velocity: v }
    }

    #[test]
    fn head_on_time_is_gap_over_closing_speed() {
        let t = time_to_touch(&mover(0.0, 0.0, [10.0, 0.0]), &mover(34.0, 0.5, [-5.0, 0.0]));
        assert!(t.is_some_and(|t| (t - 2.0).abs() < 1e-12));
    }

    #[test]
    fn what_recedes_or_passes_beside_never_touches() {
        assert_eq!(time_to_touch(&mover(0.0, 0.0, [5.0, 0.0]), &mover(20.0, 0.0, [9.0, 0.0])), None);
        assert_eq!(time_to_touch(&mover(0.0, 0.0, [5.0, 0.0]), &mover(20.0, 2.5, [-9.0, 0.0])), None);
    }
}
