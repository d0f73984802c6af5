//! `ocellus cloud SOURCE --out DIR`: a drive's LiDAR sweeps as .pcd files, one a frame.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use ocellus_percept::cloud::Cloud as Sweep;
use ocellus_sense::lidar::Extent;
use ocellus_sense::{Drive, Entry, OpenOptions, Payload, SensorKind};
use ocellus_sinks::pcd::write_pcd;
use serde_json::{Value, json};

use crate::exit::{self, Outcome};

/// Write a drive's LiDAR sweeps as .pcd files, one a frame.
#[derive(Debug, Args)]
#[command(after_help = "Example: ocellus cloud ouster.pcap --meta ouster.json --out clouds\n\
                        Packets of Velodyne VLP-16 and HDL-32E, Ouster and Livox Mid-360 are read from pcap, pcapng and\n\
                        rosbag2 (.db3); a frame is a turn from azimuth 0 to 0, or 0.1 s. Any drive with sweeps will do.")]
pub struct Cloud {
    /// A capture of packets, a rosbag2 recording with VelodyneScan, or any drive with LiDAR sweeps.
    source: PathBuf,
    /// Metadata (JSON) of the Ouster sensor whose packets are recorded, or the sensor's own address (`http://os1.local`);
    /// looked for beside the recording unless told.
    #[arg(long, value_name = "JSON")]
    meta: Option<PathBuf>,
    /// The folder the clouds go to; it is made.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print what was written as JSON.
    #[arg(long)]
    json: bool,
}

/// A sweep that was written.
struct Written {
    file: String,
    sensor: String,
    entry: Entry,
    points: usize,
    parts: Option<ocellus_sense::SweepInfo>,
}

impl Cloud {
    pub(super) fn run(self) -> Result<Outcome> {
        let options = OpenOptions { meta: self.meta.clone(), uncalibrated: true, ..OpenOptions::default() };
        let drive = ocellus_sense::open(&self.source, &options).map_err(exit::usage)?;
        let info = drive.info();
        info.notes.iter().for_each(|note| eprintln!("{note}"));
        info.lost.iter().for_each(|lost| eprintln!("lost: {lost}"));
        if !info.sensors.iter().any(|s| s.kind == SensorKind::Lidar) {
            return Err(exit::usage(anyhow!("{}: it has no LiDAR; expected sweeps", self.source.display())));
        }
        std::fs::create_dir_all(&self.out).with_context(|| format!("{}: cannot be made", self.out.display()))?;
        let (written, unreadable) = write(drive.as_ref(), &self.out)?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&as_json(drive.as_ref(), &written, unreadable))?);
        } else {
            print_text(drive.as_ref(), &written);
        }
        let whole = info.lost.is_empty() && unreadable == 0;
        Ok(if whole { Outcome::Done } else { Outcome::LostData })
    }
}

/// Writes all sweeps; those written, and how many could not be read.
fn write(drive: &dyn Drive, out: &Path) -> Result<(Vec<Written>, usize)> {
    let sensors = &drive.info().sensors;
    let several = sensors.iter().filter(|s| s.kind == SensorKind::Lidar).count() > 1;
    let mut written = Vec::new();
    let mut unreadable = 0;
    let mut payload = Payload::default();
    for (index, entry) in drive.entries().iter().enumerate() {
        let Some(sensor) = sensors.get(entry.sensor).filter(|s| s.kind == SensorKind::Lidar) else { continue };
        if let Err(error) = drive.read_into(index, &mut payload) {
            eprintln!("lost: {error}");
            unreadable += 1;
            continue;
        }
        let Payload::Cloud(cloud) = &payload else { continue };
        let prefix = if several { format!("{}_", sensor.name) } else { String::new() };
        let file = format!("{prefix}{:06}.pcd", entry.seq);
        write_one(&out.join(&file), cloud, entry)?;
        let (sensor, parts) = (sensor.name.clone(), drive.sweep_info(index));
        written.push(Written { file, sensor, entry: *entry, points: cloud.len(), parts });
    }
    Ok((written, unreadable))
}

fn write_one(path: &Path, cloud: &Sweep, entry: &Entry) -> Result<()> {
    let failed = || format!("{}: cannot be written", path.display());
    let mut out = BufWriter::new(File::create(path).with_context(failed)?);
    write_pcd(&mut out, cloud, entry.t).with_context(failed)?;
    out.into_inner().map_err(|e| e.into_error()).with_context(failed)?;
    Ok(())
}

fn name(extent: Extent) -> &'static str {
    match extent {
        Extent::Whole => "whole",
        Extent::Edge => "edge",
        Extent::Incomplete => "incomplete",
    }
}

fn as_json(drive: &dyn Drive, written: &[Written], unreadable: usize) -> Value {
    let info = drive.info();
    let frame = |w: &Written| {
        let mut frame = json!({"file": w.file, "sensor": w.sensor, "seq": w.entry.seq, "t_ns": w.entry.t.as_nanos(), "points": w.points});
        if let Some(parts) = w.parts {
            frame["extent"] = name(parts.extent).into();
            frame["packets"] = parts.packets.into();
            frame["missing"] = parts.missing.into();
        }
        frame
    };
    let sensor = |(index, s): (usize, &ocellus_sense::SensorInfo)| json!({"name": s.name, "encoding": s.encoding, "frames": s.count, "packets": drive.packets(index)});
    json!({
        "source": info.path,
        "sensors": info.sensors.iter().enumerate().map(sensor).collect::<Vec<_>>(),
        "frames": written.iter().map(frame).collect::<Vec<_>>(),
        "unreadable": unreadable,
        "notes": info.notes,
        "lost": info.lost,
    })
}

fn print_text(drive: &dyn Drive, written: &[Written]) {
    for w in written {
        let parts = w.parts.map(|p| format!(", {} packets, {}", p.packets, name(p.extent))).unwrap_or_default();
        println!("{}: {} points{parts}", w.file, w.points);
    }
    for (index, sensor) in drive.info().sensors.iter().enumerate().filter(|(_, s)| s.kind == SensorKind::Lidar) {
        println!("{}: {} frames, {}", sensor.name, sensor.count, sensor.encoding);
        if let Some(c) = drive.packets(index) {
            println!(
                "  packets    {} received: {} used, {} late, {} duplicate, {} foreign, {} malformed, {} without points; {} lost",
                c.received, c.used, c.late, c.duplicate, c.foreign, c.malformed, c.auxiliary, c.lost
            );
        }
    }
}
