//! How something moves, in closed form: any time can be asked for, in any order.
//!
//! Speed is piecewise linear in time; changes across the road follow a smooth cubic. After a contact the motion is frozen.

use crate::scenario::Step;

#[derive(Debug, Clone, Copy, PartialEq)]
struct SpeedRamp {
    t0: f64,
    t1: f64,
    v0: f64,
    v1: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Shift {
    t0: f64,
    t1: f64,
    from: f64,
    to: f64,
}

/// A scripted motion in road coordinates.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Motion {
    station0: f64,
    d0: f64,
    heading: f64,
    speed0: f64,
    ramps: Vec<SpeedRamp>,
    shifts: Vec<Shift>,
    /// When a contact stopped it for good.
    pub(crate) frozen_s: Option<f64>,
}

/// Where something is at one time, in road coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MotionState {
    /// Along the road, metres.
    pub(crate) station: f64,
    /// Left of the centre line, metres.
    pub(crate) d: f64,
    /// Its rate along the road, m/s.
    pub(crate) v_station: f64,
    /// Its rate across the road, m/s.
    pub(crate) v_d: f64,
    /// Where it faces, rad from the road's direction.
    pub(crate) heading: f64,
    /// Change of speed, m/s^2.
    pub(crate) accel: f64,
    /// Way gone since the start, metres (turns wheels and legs).
    pub(crate) travel: f64,
}

impl Motion {
    /// From a start (station, d, heading in rad, speed) and checked steps.
    pub(crate) fn new(start: (f64, f64, f64, f64), steps: &[Step]) -> Self {
        let (station0, d0, heading, speed0) = start;
        let (mut ramps, mut shifts, mut speed, mut d) = (Vec::new(), Vec::new(), speed0, d0);
        for step in steps {
            let (t0, t1) = (step.t_s, step.t_s + step.over_s);
            if let Some(to) = step.speed_mps {
                ramps.push(SpeedRamp { t0, t1, v0: speed, v1: to });
                speed = to;
            }
            if let Some(to) = step.d_m {
                shifts.push(Shift { t0, t1, from: d, to });
                d = to;
            }
        }
        Self { station0, d0, heading, speed0, ramps, shifts, frozen_s: None }
    }

    /// Whether it ever moves.
    pub(crate) fn moves(&self) -> bool {
        self.speed0 > 0.0 || !self.ramps.is_empty() || !self.shifts.is_empty()
    }

    /// Where it is at time `t`.
    pub(crate) fn state(&self, t: f64) -> MotionState {
        match self.frozen_s {
            Some(end) if t > end => MotionState { v_station: 0.0, v_d: 0.0, accel: 0.0, ..self.free_state(end) },
            _ => self.free_state(t),
        }
    }

    fn free_state(&self, t: f64) -> MotionState {
        let (travel, speed, accel) = self.travel(t);
        let (lateral, lateral_rate) = self.lateral(t);
        let (sin, cos) = (libm::sin(self.heading), libm::cos(self.heading));
        let (v_station, v_d) = (cos * speed, sin * speed + lateral_rate);
        let turning = lateral_rate != 0.0 && speed > 0.5;
        MotionState {
            station: self.station0 + cos * travel,
            d: self.d0 + sin * travel + lateral,
            v_station,
            v_d,
            heading: if turning { libm::atan2(v_d, v_station) } else { self.heading },
            accel,
            travel,
        }
    }

    /// Way, speed and acceleration.
    fn travel(&self, t: f64) -> (f64, f64, f64) {
        let (mut way, mut at, mut speed) = (0.0, 0.0, self.speed0);
        for ramp in &self.ramps {
            if t <= ramp.t0 {
                break;
            }
            way += speed * (ramp.t0 - at);
            let span = ramp.t1 - ramp.t0;
            if t < ramp.t1 {
                let (dt, a) = (t - ramp.t0, (ramp.v1 - ramp.v0) / span);
                return (way + ramp.v0 * dt + 0.5 * a * dt * dt, ramp.v0 + a * dt, a);
            }
            way += 0.5 * (ramp.v0 + ramp.v1) * span;
            (at, speed) = (ramp.t1, ramp.v1);
        }
        (way + speed * (t - at), speed, 0.0)
    }

    /// Offset from the start across the road, and its rate.
    fn lateral(&self, t: f64) -> (f64, f64) {
        let mut offset = 0.0;
        for shift in &self.shifts {
            if t <= shift.t0 {
                break;
            }
            let (way, span) = (shift.to - shift.from, shift.t1 - shift.t0);
            if t < shift.t1 {
                let u = (t - shift.t0) / span;
                return (offset + way * u * u * (3.0 - 2.0 * u), way * 6.0 * u * (1.0 - u) / span);
            }
            offset += way;
        }
        (offset, 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_integrates_to_the_textbook_brake_distance() {
        let steps = [Step { t_s: 1.0, over_s: 2.0, speed_mps: Some(0.0), d_m: None }];
        let motion = Motion::new((5.0, -1.0, 0.0, 12.0), &steps);
        let stopped = motion.state(10.0);
        assert!((stopped.station - (5.0 + 12.0 + 12.0)).abs() < 1e-9);
        assert_eq!(stopped.v_station, 0.0);
        assert!((motion.state(2.0).accel + 6.0).abs() < 1e-9);
    }

    #[test]
    fn rates_are_the_derivatives_of_places() {
        let steps = [
            Step { t_s: 0.5, over_s: 2.0, speed_mps: Some(3.0), d_m: Some(2.0) },
            Step { t_s: 3.0, over_s: 1.0, speed_mps: None, d_m: Some(-2.0) },
        ];
        let motion = Motion::new((0.0, -1.7, 0.3, 9.0), &steps);
        for i in 1..50 {
            let (t, h) = (f64::from(i) * 0.09, 1e-6);
            let (a, b, now) = (motion.state(t - h), motion.state(t + h), motion.state(t));
            assert!(((b.station - a.station) / (2.0 * h) - now.v_station).abs() < 1e-3);
            assert!(((b.d - a.d) / (2.0 * h) - now.v_d).abs() < 1e-3);
        }
    }

    #[test]
    fn a_frozen_motion_stands_still() {
        let mut motion = Motion::new((0.0, 0.0, 0.0, 10.0), &[]);
        motion.frozen_s = Some(2.0);
        assert_eq!(motion.state(5.0).station, 20.0);
        assert_eq!(motion.state(5.0).v_station, 0.0);
    }
}
