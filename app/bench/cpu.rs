//! CPU time of the process's threads as the kernel's scheduler counts it, in nanoseconds: a busy machine makes a step take longer by
//! the clock on the wall and hardly by this one.
//!
//! Threads that have ended are not in it: compare two moments between which none ends.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// CPU seconds by thread's name, those of one name together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ByThread(BTreeMap<String, f64>);

impl ByThread {
    /// Until now. An error on systems that do not tell.
    pub fn now() -> Result<Self> {
        let told = || -> Option<BTreeMap<String, f64>> {
            let mut threads = BTreeMap::new();
            for thread in std::fs::read_dir("/proc/self/task").ok()? {
                let folder = thread.ok()?.path();
                // A thread may end while it is looked at.
                let Ok(name) = std::fs::read_to_string(folder.join("comm")) else { continue };
                let Ok(ran) = std::fs::read_to_string(folder.join("schedstat")) else { continue };
                let nanos: f64 = ran.split_whitespace().next()?.parse().ok()?;
                *threads.entry(name.trim().to_owned()).or_insert(0.0) += nanos * 1e-9;
            }
            Some(threads)
        };
        told().map(Self).context("this system does not tell the CPU time of threads (/proc/self/task/*/schedstat)")
    }

    /// What came to each since `earlier`; threads that did nothing are left out.
    pub fn since(&self, earlier: &Self) -> Self {
        let part = |(name, s): (&String, &f64)| (name.clone(), s - earlier.0.get(name).copied().unwrap_or(0.0));
        Self(self.0.iter().map(part).filter(|(_, s)| *s > 0.0).collect())
    }

    /// Of all threads together, seconds.
    pub fn total_s(&self) -> f64 {
        self.0.values().sum()
    }

    /// Milliseconds of each thread for each of `steps`.
    pub fn ms_each(&self, steps: u64) -> BTreeMap<String, f64> {
        self.0.iter().map(|(name, s)| (name.clone(), 1e3 * s / steps.max(1) as f64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_for_the_thread_that_does_it() {
        let before = ByThread::now().unwrap();
        let started = std::time::Instant::now();
        while started.elapsed() < std::time::Duration::from_millis(20) {
            std::hint::black_box(started.elapsed());
        }
        let own = ByThread::now().unwrap().since(&before);
        let name = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
        assert!(own.ms_each(1)[name.trim()] > 0.5, "{own:?}");
        assert!(own.total_s() >= own.ms_each(1)[name.trim()] * 1e-3);
    }
}
