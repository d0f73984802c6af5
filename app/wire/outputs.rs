//! From the perceiving thread to the sinks: one queue and one thread each.
//!
//! objects.jsonl and results as MCAP block (a replay is lossless). A live viewer's queue drops its oldest whole messages and counts them; the
//! file's blocks, as the file is the purpose of `--save`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ocellus_flow::latency::{Latency, Series};
use ocellus_flow::pool::PooledShared;
use ocellus_flow::queue::{Receiver, Sender};
use ocellus_flow::threads::Crew;
use ocellus_percept::cloud::Cloud;
use ocellus_percept::depth::DepthMap;
use ocellus_percept::image::Image;
use ocellus_percept::report::{FrameReport, SensorState};
use ocellus_percept::time::Timestamp;
use ocellus_sense::{EncodedImage, ImageEncoding};
use ocellus_sinks::anticipation::{Anticipation, AnticipationWriter};
use ocellus_sinks::can::CanReport;
use ocellus_sinks::objects::ObjectsWriter;
use ocellus_sinks::viewer::{
    FrameView, LogLevel, LogView, MetricsView, Picture, Shared, StateView, SweepView, TOTAL, ViewMsg, Viewer,
};

use super::assess::Ahead;
use super::frame::Origin;
use super::governor::Governor;
use super::machine::MachineWatch;
use super::notes::Notes;
use super::results::Said;

/// A report with what a viewer shows beside it.
pub struct Perceived {
    /// The report.
    pub report: Arc<FrameReport>,
    /// The drive's entry; `None` where there is no frame.
    pub entry: Option<usize>,
    /// The picture as recorded.
    pub picture: Option<PooledShared<EncodedImage>>,
    /// Columns and rows of the picture.
    pub size_px: Option<[u32; 2]>,
    /// The depth network's map.
    pub depth: Option<PooledShared<DepthMap>>,
    /// From reading to report.
    pub age: Duration,
    /// What lies ahead.
    pub ahead: Ahead,
}

/// Where reports go. Clones go to the same places.
#[derive(Clone)]
pub struct Outputs {
    /// To objects.jsonl.
    pub objects: Sender<Arc<FrameReport>>,
    /// To CAN.
    pub can: Option<Sender<CanReport>>,
    /// To what writes results beside their frames: the results as MCAP, event clips.
    pub results: Vec<Sender<Said>>,
    /// To anticipation.jsonl, where a network on clips runs.
    pub anticipations: Option<Sender<Anticipation>>,
    /// To viewers and files for viewers.
    pub viewers: Vec<Sender<ViewMsg>>,
    /// Stage times, for the viewer's plots.
    pub latency: Latency,
    /// Whose queues' depths are plotted.
    pub crew: Crew,
    /// The computer's state, for the viewer's plots.
    pub machine: MachineWatch,
    /// Whose step is plotted beside it.
    pub governor: Option<Arc<Governor>>,
}

impl Perceived {
    /// A report without a picture.
    pub fn bare(report: FrameReport) -> Self {
        let (report, age, ahead) = (Arc::new(report), Duration::ZERO, Ahead::default());
        Self { report, entry: None, picture: None, size_px: None, depth: None, age, ahead }
    }
}

impl Outputs {
    /// Sends a report to all. False where objects.jsonl takes no more.
    pub fn send(&self, perceived: Perceived) -> bool {
        let Perceived { report, entry, picture, size_px, depth, age, ahead } = perceived;
        if let Some(can) = &self.can {
            // A queue that is closed means that the sink has failed, which is reported.
            drop(can.send(CanReport { report: Arc::clone(&report), nearest: ahead.nearest }));
        }
        for results in &self.results {
            // As above; what a live run's ring displaced is in its counters.
            drop(results.send(Said::Report { report: Arc::clone(&report), entry, picture: picture.clone() }));
        }
        if !self.viewers.is_empty() {
            let metrics = self.metrics(&report, age);
            let picture = picture.as_deref().and_then(shown);
            let depth = depth.map(Shared::new);
            let frame = FrameView { report: Arc::clone(&report), picture, size_px, depth, way: ahead.way };
            for message in [ViewMsg::Frame(frame), ViewMsg::Metrics(metrics)] {
                self.show(&message);
            }
        }
        !self.objects.send(report).is_closed()
    }

    /// Sends what a network on clips foresees to its file and the viewers.
    pub fn anticipated(&self, anticipation: Anticipation) {
        if !self.viewers.is_empty() {
            self.show(&ViewMsg::Anticipation(Arc::new(anticipation.clone())));
        }
        if let Some(anticipations) = &self.anticipations {
            // A closed queue means that its writer has failed, which is reported.
            drop(anticipations.send(anticipation));
        }
    }

    /// Sends a sweep to the results and the viewers.
    pub fn show_sweep(&self, lidar: &str, origin: &Origin, cloud: &PooledShared<Cloud>) {
        let (entry, t, seq) = (origin.entry, origin.t, origin.seq);
        for results in &self.results {
            drop(results.send(Said::Sweep { lidar: lidar.to_owned(), entry, t, cloud: cloud.clone() }));
        }
        if !self.viewers.is_empty() {
            let cloud = Shared::new(cloud.clone());
            self.show(&ViewMsg::Sweep(SweepView { lidar: lidar.to_owned(), t, seq, cloud }));
        }
    }

    /// Tells the viewers a sensor's state that no report tells.
    pub fn show_state(&self, sensor: &str, t: Timestamp, state: SensorState) {
        if !self.viewers.is_empty() {
            self.show(&ViewMsg::State(StateView { sensor: sensor.to_owned(), t, state }));
        }
    }

    /// Sends a line to the viewers' log.
    pub fn log(&self, level: LogLevel, text: impl Into<String>) {
        if !self.viewers.is_empty() {
            self.show(&ViewMsg::Log(LogView { t: None, level, text: text.into() }));
        }
    }

    fn show(&self, message: &ViewMsg) {
        for viewer in &self.viewers {
            // A dropped message is in the queue's counters; a closed queue means the viewer has failed, which is reported.
            drop(viewer.send(message.clone()));
        }
    }

    fn metrics(&self, report: &FrameReport, age: Duration) -> MetricsView {
        let snapshot = self.latency.snapshot();
        let stages = snapshot.stages.into_iter().map(|(name, s)| (name, s.p50));
        let total = [(TOTAL.to_owned(), age.as_secs_f64() * 1e3)];
        let machine = self.machine.newest().map(|sample| sample.figures()).unwrap_or_default();
        let step = self.governor.as_ref().map(|governor| ("governor, step".to_owned(), governor.step() as f64));
        MetricsView {
            t: report.t,
            seq: report.seq.unwrap_or(0),
            latency_ms: stages.chain(total).collect(),
            queue_depth: self.crew.queue_stats().into_iter().map(|s| (s.name, s.depth as f64)).collect(),
            machine: machine.into_iter().chain(step).collect(),
        }
    }
}

fn shown(picture: &EncodedImage) -> Option<Picture> {
    match picture.encoding {
        ImageEncoding::Jpeg | ImageEncoding::Png => Some(Picture::Encoded(Arc::from(picture.bytes.as_slice()))),
        ImageEncoding::Raw { format, width, height } => {
            let image = Image::from_vec(width as usize, height as usize, format, picture.bytes.clone());
            image.ok().map(|image| Picture::Raw(Arc::new(image)))
        }
    }
}

/// The thread that writes objects.jsonl.
pub fn write_objects(mut writer: ObjectsWriter, input: &Receiver<Arc<FrameReport>>, writing: &Series) -> Result<()> {
    while let Some(report) = input.recv() {
        writing.time(|| writer.write(&report))?;
    }
    writer.finish()?;
    Ok(())
}

/// The thread that writes anticipation.jsonl.
pub fn write_anticipations(mut writer: AnticipationWriter, input: &Receiver<Anticipation>) -> Result<()> {
    while let Some(anticipation) = input.recv() {
        writer.write(&anticipation)?;
    }
    writer.finish()?;
    Ok(())
}

/// Opens objects.jsonl in the run's folder.
pub fn objects_in(folder: &Path) -> Result<ObjectsWriter> {
    std::fs::create_dir_all(folder)
        .with_context(|| {
            format!("{}: the folder for results cannot be made; choose another with --out", folder.display())
        })
        .map_err(crate::exit::usage)?;
    ObjectsWriter::create(folder).map_err(crate::exit::usage)
}

/// The thread that feeds a viewer. What it sheds is said at its end.
pub fn feed_viewer(mut viewer: Viewer, input: &Receiver<ViewMsg>, notes: &Notes) -> Result<()> {
    let mut fed = Ok(());
    while let Some(message) = input.recv() {
        fed = viewer.step(&message).map(drop);
        if fed.is_err() {
            break;
        }
    }
    let (stats, finished) = viewer.finish();
    let shed = stats.shed_stalled + stats.shed_lost;
    if shed > 0 {
        notes.say("viewer", format!("{shed} messages were not shown: it took them too slowly or was away"));
    }
    fed?;
    Ok(finished?)
}
