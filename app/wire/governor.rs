//! The governor of a live run: steps down what is done where frames grow too old or the computer too hot, and up again when
//! there is peace (`[governor]`, [`crate::launch::GovernorPlan`]).
//!
//! Frames are counted where they are reported, without a lock; the watching thread looks at the counts and decides. A step
//! down needs more than one of twenty frames over the budget, or something held down; a step up a time of peace, in which no
//! more than one of twenty came near the budget. A step up that had to be taken back doubles that time. What is done less of
//! is read where it is done: cameras' rates in capturing, networks in preparing.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::machine::Sample;
use crate::launch::GovernorPlan;

/// Frames on which a step is decided: one of twenty is the share that may be over.
const WINDOW_FRAMES: u64 = 20;
/// Where fewer come, so long.
const WINDOW_MAX: Duration = Duration::from_secs(5);
/// After a step frames are still on their way that began before it.
const SETTLE: Duration = Duration::from_secs(1);
/// Share of the budget above which there is no room for more.
const NEAR: f64 = 0.8;
/// From a step down for heat to the next: temperatures follow power in seconds.
const HEAT_STEP: Duration = Duration::from_secs(10);
/// Below the limit by so much it is cool again, degrees Celsius.
const COOLER_C: f64 = 5.0;
/// A step up that is taken back within this was one too early.
const PROBATION: Duration = Duration::from_secs(30);
/// Longest peace that is waited for.
const CALM_MAX: Duration = Duration::from_secs(600);
/// Steps kept in full; the rest is counted.
const TAKEN_KEPT_MAX: usize = 1000;

/// Decides what is done, and keeps book of it.
pub struct Governor {
    plan: GovernorPlan,
    began: Instant,
    step: AtomicUsize,
    counts: Counts,
    state: Mutex<State>,
}

/// Frames reported since the last look.
#[derive(Default)]
struct Counts {
    frames: AtomicU64,
    near: AtomicU64,
    over: AtomicU64,
}

struct State {
    window: Window,
    stepped_at: Instant,
    calm_since: Instant,
    wait: Duration,
    heat_at: Option<Instant>,
    up_at: Option<Instant>,
    said_last: bool,
    books: Vec<StepBook>,
    taken: Vec<StepTaken>,
    taken_more: u64,
}

struct Window {
    began: Instant,
    frames: u64,
    near: u64,
    over: u64,
}

/// A step and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepTaken {
    /// Seconds of the run.
    pub at_s: f64,
    /// From this step, 0 being everything.
    pub from: usize,
    /// To this one.
    pub to: usize,
    /// What holds from here on.
    pub now: String,
    /// Why.
    pub reason: String,
}

/// How frames fared in one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepBook {
    /// What holds in it.
    pub step: String,
    /// Frames reported in it, but for the second after it began.
    pub frames: u64,
    /// Those over the budget.
    pub over_budget: u64,
}

/// All of it, for run.json and `/health`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GovernorReport {
    /// Milliseconds.
    pub budget_ms: f64,
    /// The step now; 0 is everything.
    pub step: usize,
    /// By step: how frames fared in it.
    pub steps: Vec<StepBook>,
    /// Steps taken, the first of them.
    pub taken: Vec<StepTaken>,
    /// Steps not kept.
    pub taken_more: u64,
}

impl Governor {
    /// Begins with everything.
    pub fn new(plan: GovernorPlan) -> Self {
        Self::at(plan, Instant::now())
    }

    fn at(plan: GovernorPlan, now: Instant) -> Self {
        let book = |words: &String| StepBook { step: words.clone(), frames: 0, over_budget: 0 };
        let state = State {
            window: Window::new(now),
            stepped_at: now,
            calm_since: now,
            wait: plan.calm,
            heat_at: None,
            up_at: None,
            said_last: false,
            books: plan.steps.iter().map(|s| book(&s.words)).collect(),
            taken: Vec::new(),
            taken_more: 0,
        };
        let (step, counts) = (AtomicUsize::new(0), Counts::default());
        Self { plan, began: now, step, counts, state: Mutex::new(state) }
    }

    /// The step now; 0 is everything.
    pub fn step(&self) -> usize {
        self.step.load(Ordering::Relaxed)
    }

    /// Frames a second of each camera now; its own where `None`.
    pub fn hz(&self) -> Option<f64> {
        self.plan.steps.get(self.step())?.hz
    }

    /// By network: whether it is asked now.
    pub fn asked(&self) -> &[bool] {
        self.plan.steps.get(self.step()).map_or(&[], |step| &step.asked)
    }

    /// A camera's frame was reported at this age.
    pub fn reported(&self, age: Duration) {
        let Counts { frames, near, over } = &self.counts;
        frames.fetch_add(1, Ordering::Relaxed);
        near.fetch_add(u64::from(age > self.plan.budget.mul_f64(NEAR)), Ordering::Relaxed);
        over.fetch_add(u64::from(age > self.plan.budget), Ordering::Relaxed);
    }

    /// Looks at what was reported and at the computer; what there is to say of it.
    pub fn look(&self, now: Instant, sample: Option<&Sample>) -> Option<String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let [frames, near, over] =
            [&self.counts.frames, &self.counts.near, &self.counts.over].map(|count| count.swap(0, Ordering::Relaxed));
        if now.saturating_duration_since(state.stepped_at) < SETTLE {
            return None;
        }
        let step = self.step();
        if let Some(book) = state.books.get_mut(step) {
            book.frames += frames;
            book.over_budget += over;
        }
        state.window.add([frames, near, over]);
        let (hot, warm) = self.heat(sample);
        let told = state.window.close(now, self.plan.budget);
        if warm || matches!(told, Some(Told::Near | Told::Over(_))) {
            state.calm_since = now;
        }
        let hot = hot.filter(|_| state.heat_at.is_none_or(|at| now.saturating_duration_since(at) >= HEAT_STEP));
        if let Some(reason) = hot {
            state.heat_at = Some(now);
            return self.down(&mut state, now, reason);
        }
        let calm = now.saturating_duration_since(state.calm_since);
        match told {
            Some(Told::Over(reason)) => return self.down(&mut state, now, reason),
            Some(Told::Peace) if step > 0 && calm >= state.wait => {
                (state.up_at, state.said_last) = (Some(now), false);
                return Some(self.take(&mut state, now, (step - 1, format!("{:.0} s of peace", calm.as_secs_f64()))));
            }
            _ => {}
        }
        None
    }

    /// Why the computer is too hot, if it is, and whether it is not cool.
    fn heat(&self, sample: Option<&Sample>) -> (Option<String>, bool) {
        let Some(sample) = sample else { return (None, false) };
        if !sample.throttled.is_empty() {
            return (Some(format!("held down: {}", sample.throttled.join(", "))), true);
        }
        let (Some(celsius), Some(max)) = (sample.hottest_c, self.plan.celsius_max) else { return (None, false) };
        let hot = (celsius >= max).then(|| format!("{celsius:.1} °C, {max} °C at most"));
        (hot, celsius > max - COOLER_C)
    }

    fn down(&self, state: &mut State, now: Instant, reason: String) -> Option<String> {
        let step = self.step();
        if step + 1 >= self.plan.steps.len() {
            let said = std::mem::replace(&mut state.said_last, true);
            return (!said).then(|| format!("at its last step, {}: {reason}", self.plan.steps[step].words));
        }
        let too_early = state.up_at.take().is_some_and(|at| now.saturating_duration_since(at) < PROBATION);
        state.wait = if too_early { (state.wait * 2).min(CALM_MAX) } else { self.plan.calm };
        Some(self.take(state, now, (step + 1, reason)))
    }

    fn take(&self, state: &mut State, now: Instant, (to, reason): (usize, String)) -> String {
        let from = self.step.swap(to, Ordering::Relaxed);
        (state.stepped_at, state.calm_since, state.window) = (now, now, Window::new(now + SETTLE));
        let holds = self.plan.steps.get(to).map(|s| s.words.clone()).unwrap_or_default();
        let at_s = now.saturating_duration_since(self.began).as_secs_f64();
        let text = format!("step {from} -> {to} at {at_s:.1} s: {holds}, for {reason}");
        if state.taken.len() < TAKEN_KEPT_MAX {
            state.taken.push(StepTaken { at_s, from, to, now: holds, reason });
        } else {
            state.taken_more += 1;
        }
        text
    }

    /// All of it.
    pub fn report(&self) -> GovernorReport {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        GovernorReport {
            budget_ms: self.plan.budget.as_secs_f64() * 1e3,
            step: self.step(),
            steps: state.books.clone(),
            taken: state.taken.clone(),
            taken_more: state.taken_more,
        }
    }
}

impl GovernorReport {
    /// A line for people: how often it stepped, and how frames fared in each step.
    pub fn line(&self) -> String {
        let fared = self.steps.iter().filter(|book| book.frames > 0);
        let fared: Vec<String> = fared
            .map(|b| format!("{} of {} over {:.0} ms at {}", b.over_budget, b.frames, self.budget_ms, b.step))
            .collect();
        let steps = self.taken.len() as u64 + self.taken_more;
        format!("  governor  steps taken: {steps}; {}", fared.join(", "))
    }
}

/// What a window that is full tells.
enum Told {
    /// There is room for more.
    Peace,
    /// There is none, or nothing came.
    Near,
    /// Too many frames were too old, and how many.
    Over(String),
}

impl Window {
    fn new(began: Instant) -> Self {
        Self { began, frames: 0, near: 0, over: 0 }
    }

    fn add(&mut self, [frames, near, over]: [u64; 3]) {
        self.frames += frames;
        self.near += near;
        self.over += over;
    }

    /// Begins anew where it is full; what it told then.
    fn close(&mut self, now: Instant, budget: Duration) -> Option<Told> {
        let full = self.frames >= WINDOW_FRAMES || now.saturating_duration_since(self.began) >= WINDOW_MAX;
        if !full {
            return None;
        }
        let Self { frames, near, over, .. } = std::mem::replace(self, Self::new(now));
        // Never one alone: at a low rate a window holds few.
        let many = |some: u64| some * WINDOW_FRAMES > frames && some > u64::from(frames > 1);
        Some(if many(over) {
            Told::Over(format!("{over} of {frames} frames older than {:.0} ms", budget.as_secs_f64() * 1e3))
        } else if frames == 0 || many(near) {
            Told::Near
        } else {
            Told::Peace
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::governor::StepPlan;

    const BUDGET: Duration = Duration::from_millis(100);
    const CALM: Duration = Duration::from_secs(10);

    /// A run whose time passes as told.
    struct Run {
        governor: Governor,
        now: Instant,
        said: Vec<String>,
    }

    impl Run {
        fn new() -> Self {
            let step = |hz: Option<f64>, words: &str| StepPlan { hz, asked: vec![true], words: words.to_owned() };
            let steps = vec![step(None, "everything"), step(Some(10.0), "10 Hz"), step(Some(5.0), "5 Hz")];
            let plan = GovernorPlan { budget: BUDGET, celsius_max: Some(80.0), calm: CALM, steps };
            let now = Instant::now();
            Self { governor: Governor::at(plan, now), now, said: Vec::new() }
        }

        /// Frames of an age at 10 a second until this step is reached; the seconds that took.
        fn until(&mut self, step: usize, age_ms: u64) -> f64 {
            let began = self.now;
            while self.governor.step() != step {
                self.frame(age_ms, None);
                assert!(self.now - began < Duration::from_secs(60), "step {step} is not reached");
            }
            (self.now - began).as_secs_f64()
        }

        fn frame(&mut self, age_ms: u64, sample: Option<&Sample>) {
            self.governor.reported(Duration::from_millis(age_ms));
            self.now += Duration::from_millis(100);
            self.said.extend(self.governor.look(self.now, sample));
        }

        /// So many seconds at 10 frames a second; `age_ms` of the k-th frame.
        fn pass(&mut self, seconds: u32, age_ms: impl Fn(u32) -> u64, sample: Option<&Sample>) -> usize {
            for k in 0..10 * seconds {
                self.frame(age_ms(k), sample);
            }
            self.governor.step()
        }
    }

    fn sample(hottest_c: f64, throttled: &[&str]) -> Sample {
        Sample {
            t_s: 0.0,
            hottest_c: Some(hottest_c),
            watts: None,
            cpu_mhz: None,
            gpu_mhz: None,
            available_mb: None,
            throttled: throttled.iter().map(|s| (*s).to_owned()).collect(),
        }
    }

    #[test]
    fn one_old_frame_of_twenty_steps_nothing_and_two_do() {
        let mut run = Run::new();
        assert_eq!(run.pass(20, |k| if k % 20 == 0 { 500 } else { 20 }, None), 0);
        assert_eq!(run.pass(5, |k| if k % 10 == 0 { 500 } else { 20 }, None), 1);
        let taken = &run.governor.report().taken[0];
        assert_eq!((taken.from, taken.to, taken.now.as_str()), (0, 1, "10 Hz"));
        assert_eq!(taken.reason, "2 of 20 frames older than 100 ms");
        assert_eq!((run.said.len(), run.governor.hz()), (1, Some(10.0)));
    }

    #[test]
    fn at_a_low_rate_one_old_frame_steps_nothing_either() {
        let mut run = Run::new();
        for k in 0..20 {
            run.governor.reported(Duration::from_millis(if k % 5 == 0 { 500 } else { 20 }));
            for _ in 0..10 {
                run.now += Duration::from_millis(100);
                assert_eq!(run.governor.look(run.now, None), None);
            }
        }
    }

    #[test]
    fn it_steps_up_after_peace_and_waits_longer_where_that_was_too_early() {
        let mut run = Run::new();
        run.until(1, 150);
        assert_eq!(run.pass(60, |_| 90, None), 1, "near the budget there is no room for more");
        let first = run.until(0, 50);
        assert!((10.0..16.0).contains(&first), "{first}");
        run.until(1, 150);
        let second = run.until(0, 50);
        assert!((20.0..26.0).contains(&second), "too early before: twice as long, not {second}");
        assert_eq!(run.pass(40, |_| 50, None), 0);
        let reasons: Vec<String> = run.governor.report().taken.into_iter().map(|t| t.reason).collect();
        assert_eq!(reasons.len(), 4);
        assert!(reasons[1].ends_with("s of peace"), "{reasons:?}");
    }

    #[test]
    fn what_is_held_down_steps_down_slowly_and_its_last_step_is_said_once() {
        let (mut run, held, hot, cool) =
            (Run::new(), sample(60.0, &["gpu-throttle-alert"]), sample(85.0, &[]), sample(60.0, &[]));
        assert_eq!(run.pass(3, |_| 20, Some(&held)), 1);
        assert_eq!(run.pass(7, |_| 20, Some(&held)), 1, "heat takes its time");
        assert_eq!(run.pass(4, |_| 20, Some(&hot)), 2);
        assert_eq!(run.pass(60, |_| 20, Some(&hot)), 2);
        assert_eq!(run.pass(30, |_| 20, Some(&sample(78.0, &[]))), 2, "warm still");
        assert_eq!(run.pass(40, |_| 20, Some(&cool)), 0);
        let reasons: Vec<String> = run.governor.report().taken.into_iter().map(|t| t.reason).collect();
        assert_eq!(reasons[..2], ["held down: gpu-throttle-alert", "85.0 °C, 80 °C at most"]);
        assert_eq!(run.said.iter().filter(|s| s.starts_with("at its last step")).count(), 1, "{:?}", run.said);
    }

    #[test]
    fn frames_are_booked_by_step_and_silence_is_no_peace() {
        let mut run = Run::new();
        run.until(1, 150);
        let frames =
            |run: &Run| run.governor.report().steps.iter().map(|s| (s.frames, s.over_budget)).collect::<Vec<_>>();
        let booked = frames(&run);
        assert!(booked[0].0 >= 20 && booked[0].0 == booked[0].1 && booked[2] == (0, 0), "{booked:?}");
        for _ in 0..600 {
            run.now += Duration::from_millis(100);
            assert_eq!(run.governor.look(run.now, None), None);
        }
        assert_eq!(run.governor.step(), 1);
    }
}
