//! Events of an event camera: where the logarithm of the light changed by a threshold between two moments.

/// One event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// Column.
    pub x: u16,
    /// Row.
    pub y: u16,
    /// Seconds from the world's start.
    pub t_s: f64,
    /// Brighter (true) or darker.
    pub brighter: bool,
}

/// Events between two pictures of log luminance (see [`RenderBuffers::log_luminance`](crate::RenderBuffers)), as if the
/// logarithm changed at an even rate from `t_s.0` to `t_s.1`. Sorted by time, then row, then column. Pictures of
/// different sizes, a width of zero or a threshold that is not positive give no events.
pub fn events_between(
    before: &[f32],
    after: &[f32],
    width: usize,
    t_s: (f64, f64),
    threshold: f32,
    out: &mut Vec<Event>,
) {
    out.clear();
    if before.len() != after.len() || width == 0 || threshold.is_nan() || threshold <= 0.0 {
        return;
    }
    for (i, (a, b)) in before.iter().zip(after).enumerate() {
        let change = b - a;
        // A bound on what one pixel can say between two frames keeps a flash from flooding memory.
        let count = ((change.abs() / threshold) as usize).min(EVENTS_PER_PIXEL_MAX);
        for k in 1..=count {
            let share = f64::from(k as f32 * threshold / change.abs());
            out.push(Event {
                x: (i % width) as u16,
                y: (i / width) as u16,
                t_s: t_s.0 + (t_s.1 - t_s.0) * share,
                brighter: change > 0.0,
            });
        }
    }
    out.sort_by(|a, b| a.t_s.total_cmp(&b.t_s).then(a.y.cmp(&b.y)).then(a.x.cmp(&b.x)));
}

/// Events of one pixel between two frames at most.
const EVENTS_PER_PIXEL_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_count_thresholds_and_carry_their_sign() {
        let mut events = Vec::new();
        events_between(&[0.0, 0.0, 1.0], &[0.65, 0.1, 0.55], 3, (1.0, 2.0), 0.2, &mut events);
        assert_eq!(events.iter().filter(|e| e.x == 0 && e.brighter).count(), 3);
        assert_eq!(events.iter().filter(|e| e.x == 2 && !e.brighter).count(), 2);
        assert!(events.iter().all(|e| e.x != 1 && (1.0..=2.0).contains(&e.t_s)));
        assert!(events.windows(2).all(|w| w[0].t_s <= w[1].t_s));
    }
}
