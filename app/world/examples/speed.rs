//! How fast pictures and sweeps are made: wall and CPU time per frame, variants taking turns so that a busy machine
//! treats them alike. `speed [FRAMES] [SCENARIO.toml [NAME]]`, the variants whose name holds NAME; set RAYON_NUM_THREADS to choose the number of threads.

use std::time::Instant;

use ocellus_percept::cloud::Cloud;
use ocellus_world::{CameraTruth, Quality, RenderBuffers, Scenario, SweepTruth, World, rig};

/// CPU seconds of this process so far (Linux: user and system ticks of 10 ms), 0 elsewhere.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) * 0.01
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let frames: usize = args.first().map_or(Ok(40), |n| n.parse())?;
    let path = args.get(1).map_or("launch/worlds/street.toml", String::as_str);
    let scenario = Scenario::parse(&std::fs::read_to_string(path)?)?;
    let start = Instant::now();
    let world = World::new(&scenario, scenario.seed)?;
    println!(
        "{path}: world made in {:.1} ms, {} threads",
        start.elapsed().as_secs_f64() * 1e3,
        rayon::current_num_threads()
    );
    let variants = [
        ("640x384 full", 640, 384, Quality::FULL),
        ("640x384 fast", 640, 384, Quality::FAST),
        ("320x192 fast", 320, 192, Quality::FAST),
        ("256x160 full", 256, 160, Quality::FULL),
        ("256x160 fast", 256, 160, Quality::FAST),
    ];
    let wanted = |name: &str| args.get(2).is_none_or(|part| name.contains(part.as_str()));
    let mut truth = CameraTruth::default();
    for (name, width, height, quality) in variants.into_iter().filter(|v| wanted(v.0)) {
        let setup = rig::front_camera(width, height);
        let mut buffers = RenderBuffers::new();
        world.snapshot(0.0).render(&setup, quality, &mut buffers, &mut truth);
        let (mut walls, cpu) = (Vec::new(), cpu_s());
        for k in 0..frames {
            let t = scenario.duration_s * k as f64 / frames as f64;
            let begin = Instant::now();
            world.snapshot(t).render(&setup, quality, &mut buffers, &mut truth);
            walls.push(begin.elapsed().as_secs_f64());
        }
        report(name, &mut walls, cpu_s() - cpu);
    }
    let (mut cloud, mut labels) = (Cloud::default(), SweepTruth::default());
    for beams in [16, 32, 64].into_iter().filter(|_| wanted("LiDAR")) {
        let setup = rig::roof_lidar(beams);
        world.sweep(0.0, &setup, &mut cloud, &mut labels);
        let (mut walls, cpu) = (Vec::new(), cpu_s());
        for k in 0..frames.min(20) {
            let begin = Instant::now();
            world.sweep(0.5 * k as f64, &setup, &mut cloud, &mut labels);
            walls.push(begin.elapsed().as_secs_f64());
        }
        report(&format!("LiDAR {beams} beams, {} points", cloud.len()), &mut walls, cpu_s() - cpu);
    }
    Ok(())
}

fn report(name: &str, walls: &mut [f64], cpu: f64) {
    walls.sort_by(f64::total_cmp);
    let (median, best) = (walls[walls.len() / 2], walls[0]);
    println!(
        "{name}: median {:.2} ms ({:.1}/s), best {:.2} ms ({:.1}/s), CPU {:.2} ms",
        median * 1e3,
        1.0 / median,
        best * 1e3,
        1.0 / best,
        cpu / walls.len() as f64 * 1e3
    );
}
