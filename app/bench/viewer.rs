//! A viewer that stalls and one that dies: the pipeline at a camera's pace with each and without one, in turns.
//!
//! Both are real sockets: one accepts the connection and never reads from it, the other closes it in the middle of the run.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ocellus_judge::stats::quantile_sorted;
use ocellus_sense::Drive;
use serde::Serialize;

use super::repeated::Repeated;
use crate::launch::file::{ModelTable, SpeedValue};
use crate::launch::{LaunchFile, Plan};
use crate::measure::drives::{Held, Scratch};
use crate::wire;

/// Turns of all three.
const TURNS: usize = 5;
/// Pictures a second, and of a run: enough for a 99th percentile that is not the worst of all.
const CAMERA_HZ: f64 = 25.0;
const PICTURES: usize = 200;
/// The one that dies lives so long.
const LIFE: Duration = Duration::from_secs(3);
/// How often it is looked whether somebody connects.
const LOOK: Duration = Duration::from_millis(20);
/// No run takes longer.
const RUN_MAX: Duration = Duration::from_secs(60);

/// What a viewer does to the pipeline.
#[derive(Debug, Clone, Serialize)]
pub struct Viewers {
    /// From reading to report without a viewer, milliseconds: median of the turns' medians and 99th percentiles.
    pub absent_ms: [f64; 2],
    /// With one that stalls: the same as multiples of that turn's without, median of the turns.
    pub stalled: [f64; 2],
    /// With one that dies.
    pub dying: [f64; 2],
    /// The two multiples of each turn, stalled and dying.
    pub turns: Vec<[[f64; 2]; 2]>,
}

/// What listens.
#[derive(Debug, Clone, Copy)]
enum Listener {
    Nobody,
    Stalls,
    Dies,
}

/// Runs `model` on the drive's pictures with each kind of viewer.
pub fn run(drive: &Arc<dyn Drive>, model: &Path) -> Result<Viewers> {
    let held: Arc<dyn Drive> = Arc::new(Held::new(Arc::clone(drive)));
    // The first fills memory; it is not measured.
    once(&held, model, Listener::Nobody)?;
    let (mut absent, mut turns) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let without = once(&held, model, Listener::Nobody)?;
        let over = |[p50, p99]: [f64; 2]| [p50 / without[0], p99 / without[1]];
        let stalled = over(once(&held, model, Listener::Stalls)?);
        let dying = over(once(&held, model, Listener::Dies)?);
        absent.push(without);
        turns.push([stalled, dying]);
    }
    let column = |kind: usize| middle(turns.iter().filter_map(|turn| turn.get(kind).copied()));
    Ok(Viewers { absent_ms: middle(absent.into_iter()), stalled: column(0), dying: column(1), turns })
}

/// The median of each of the two figures.
fn middle(figures: impl Iterator<Item = [f64; 2]>) -> [f64; 2] {
    let (mut first, mut second): (Vec<f64>, Vec<f64>) = figures.map(|[a, b]| (a, b)).unzip();
    [&mut first, &mut second].map(|values| {
        values.sort_by(f64::total_cmp);
        quantile_sorted(values, 0.5).unwrap_or(f64::NAN)
    })
}

/// Median and 99th percentile of a run, milliseconds from reading to report.
fn once(drive: &Arc<dyn Drive>, model: &Path, listener: Listener) -> Result<[f64; 2]> {
    let scratch = Scratch::new()?;
    let played = Repeated::paced(Arc::clone(drive), PICTURES, CAMERA_HZ)?;
    let camera = played.camera().context("a camera")?;
    let mut file = LaunchFile::default();
    file.source.drive = Some(drive.info().path.clone());
    file.source.sensors = Some(vec![camera.clone()]);
    file.source.speed = Some(SpeedValue::Factor(1.0));
    file.output.dir = Some(scratch.path().to_owned());
    file.model = vec![ModelTable { path: Some(model.to_owned()), ..ModelTable::default() }];
    file.viewer.connect = listen(listener)?;
    let summary = wire::run_quietly(&Plan::from_file(&file)?, Arc::new(played))?;
    let age = summary.end_to_end(&camera).context("the age of the camera's results")?;
    Ok([age.p50, age.p99])
}

/// Starts what listens; its address.
fn listen(listener: Listener) -> Result<Option<String>> {
    let until = match listener {
        Listener::Nobody => return Ok(None),
        Listener::Stalls => RUN_MAX,
        Listener::Dies => LIFE,
    };
    let socket = TcpListener::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    let url = format!("rerun+http://{}/proxy", socket.local_addr()?);
    ocellus_flow::threads::detach("viewer-stub", move || {
        let (started, mut held): (Instant, Vec<TcpStream>) = (Instant::now(), Vec::new());
        while started.elapsed() < until {
            match socket.accept() {
                Ok((stream, _)) => held.push(stream),
                Err(_) => std::thread::sleep(LOOK),
            }
        }
    })?;
    Ok(Some(url))
}
