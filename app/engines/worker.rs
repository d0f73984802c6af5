//! Steps of `prepare` as processes: started, watched with progress, ended when they take too long, and their failures explained.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};

use super::golden::Golden;
use super::stage::{Done, Job};
use crate::machine;

/// How often a step is looked after.
const LOOK: Duration = Duration::from_millis(50);
/// Where there is no terminal, a line this often says that work goes on.
const WORD: Duration = Duration::from_secs(30);
/// Lines of a failed step's output that are shown.
const LINES_SHOWN: usize = 12;
/// SIGKILL, which is what the kernel ends a process with when memory is out.
const KILLED: i32 = 9;

/// One step under watch.
pub struct Work<'a> {
    /// For people: what is done.
    pub what: &'a str,
    /// The folder for its job, log and result.
    pub folder: &'a Path,
    /// Seconds it took the last time, where known.
    pub expected_s: Option<f64>,
    /// When it is given up.
    pub timeout: Duration,
}

impl Work<'_> {
    /// Runs `job` in a process of its own. The least memory that was available meanwhile, megabytes, comes with its result.
    pub fn run(&self, name: &str, job: &mut Job) -> Result<(Done, Option<u64>)> {
        let place = |suffix: &str| self.folder.join(format!("{name}.{suffix}"));
        let (written, log) = (place("job.json"), place("log"));
        job.result = self.folder.join(name).join("result.json");
        let at = |path: &PathBuf| path.display().to_string();
        std::fs::create_dir_all(self.folder.join(name)).with_context(|| at(&job.result))?;
        std::fs::write(&written, serde_json::to_vec_pretty(job)?).with_context(|| at(&written))?;
        let output = File::create(&log).with_context(|| at(&log))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["prepare".as_ref(), "--worker".as_ref(), written.as_os_str()]);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut child = command.spawn().context("a process for this step cannot be started")?;
        let (status, least_mb) = self.watch(&mut child)?;
        if !status.success() {
            return Err(failure(&status, &std::fs::read_to_string(&log).unwrap_or_default()));
        }
        let text = std::fs::read_to_string(&job.result).with_context(|| at(&job.result))?;
        let mut done: Done = serde_json::from_str(&text).with_context(|| at(&job.result))?;
        if let super::stage::Step::Engine = job.step {
            done.answers = Golden::at(&self.folder.join(name)).answers()?;
        }
        Ok((done, least_mb))
    }

    fn watch(&self, child: &mut Child) -> Result<(ExitStatus, Option<u64>)> {
        let started = Instant::now();
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        let expected = self.expected_s.map_or_else(String::new, |s| format!(" (last time {s:.0} s)"));
        let (mut least_mb, mut words) = (None::<u64>, 0);
        if bar.is_hidden() {
            eprintln!("{}{expected}", self.what);
        }
        loop {
            if let Some(status) = child.try_wait()? {
                bar.finish_and_clear();
                return Ok((status, least_mb));
            }
            let elapsed = started.elapsed();
            if elapsed > self.timeout {
                child.kill()?;
                child.wait()?;
                bar.finish_and_clear();
                let limit = self.timeout.as_secs();
                return Err(anyhow!("it was ended after {limit} s; give it longer with --timeout SECONDS"));
            }
            let available = machine::memory(Path::new("/")).available_mb;
            least_mb = [least_mb, available].into_iter().flatten().min();
            bar.set_message(format!("{} {:.0} s{expected}", self.what, elapsed.as_secs_f64()));
            bar.tick();
            if bar.is_hidden() && elapsed.as_secs() / WORD.as_secs() > words {
                words += 1;
                eprintln!("{}: {:.0} s so far{expected}", self.what, elapsed.as_secs_f64());
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Why a step failed: how its process ended, and what it said last.
fn failure(status: &ExitStatus, log: &str) -> anyhow::Error {
    use std::os::unix::process::ExitStatusExt;
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let said = lines.get(lines.len().saturating_sub(LINES_SHOWN)..).unwrap_or_default().join("\n");
    match status.signal() {
        Some(KILLED) => anyhow!(
            "its process was killed: most likely the memory was out. Stop the desktop (sudo systemctl isolate multi-user.target), \
             add swap on fast storage, or lower the builder's scratch memory (model.options.tensorrt.trt_max_workspace_size)"
        ),
        Some(signal) => anyhow!("its process crashed (signal {signal}); it said last:\n{said}"),
        // One line, without the word that begins it.
        None if said.is_empty() => anyhow!("its process ended with {status} and said nothing"),
        None => anyhow!("{}", said.strip_prefix("error: ").unwrap_or(&said).to_owned()),
    }
}
