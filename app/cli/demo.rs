//! `ocellus demo`: a drive with obstacles, distances and latency, without a camera, a download or a licence.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::Args;

use crate::exit::{self, Outcome};
use crate::launch::file::{ModelTable, SpeedValue};
use crate::launch::{LaunchFile, Plan, VehicleTable};
use crate::wire;

/// The drive and the student that ship with the project, in its folder.
const DRIVE: &str = "tests/data/street.mcap";
const STUDENT: &str = "models/street";

/// See a simulated drive with obstacles, distances and latency.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: ocellus demo\n         ocellus demo --no-viewer --out out/demo && rerun out/demo/drive.rrd"
)]
pub struct Demo {
    /// The folder the results go to.
    #[arg(long, default_value = "out/demo")]
    out: PathBuf,
    /// Do not start the viewer; write drive.rrd.
    #[arg(long)]
    no_viewer: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

impl Demo {
    pub(super) fn run(self) -> Result<Outcome> {
        let drive = drive().ok_or_else(|| {
            exit::usage(anyhow!("{DRIVE}: not found here nor above the program; run the demo in the project's folder"))
        })?;
        let student = drive.ancestors().nth(Path::new(DRIVE).iter().count()).map(|root| root.join(STUDENT));
        let viewer = !self.no_viewer && has_viewer();
        let mut file = LaunchFile::default();
        file.source.drive = Some(drive);
        // At the pace of the drive: ages are then those of a running vehicle, and the viewer shows it as it happens.
        file.source.speed = Some(SpeedValue::Factor(1.0));
        file.vehicle = vehicle();
        file.model = vec![ModelTable { path: student, ..ModelTable::default() }];
        file.output.dir = Some(self.out.clone());
        file.output.save = Some(!viewer);
        file.viewer.spawn = Some(viewer);
        eprintln!(
            "demo: a street of the simulated world, seen by the student that was trained there; distances come from its LiDAR, and from \
             the student's depth where no beam falls"
        );
        let summary = wire::run(&Plan::from_file(&file)?)?;
        summary.print(self.json)?;
        if !viewer && !self.json {
            println!("  to see it  pip install rerun-sdk==0.36.3 && rerun {}", self.out.join("drive.rrd").display());
        }
        Ok(summary.outcome())
    }
}

/// The outline of the world's own car, which drove the drive.
fn vehicle() -> VehicleTable {
    let car = wire::assess::SIMULATED;
    VehicleTable {
        width_m: Some(car.width_m),
        wheelbase_m: Some(car.wheelbase_m),
        front_m: Some(car.front_m),
        rear_axle_m: Some(car.rear_axle_m),
        ..VehicleTable::default()
    }
}

/// The drive that ships with the project, where it is found.
pub(super) fn drive() -> Option<PathBuf> {
    let program = std::env::current_exe().ok();
    let above = program.iter().flat_map(|p| p.ancestors().skip(1)).map(|folder| folder.join(DRIVE));
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(DRIVE);
    std::iter::once(PathBuf::from(DRIVE)).chain(above).chain([source]).find(|path| path.is_file())
}

/// Whether the viewer's program is there and there is a screen to show it on.
fn has_viewer() -> bool {
    let on_path = |folder: PathBuf| folder.join("rerun").is_file();
    let screen = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    screen && std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(on_path))
}
