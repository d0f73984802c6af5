//! Draws contact sheets: `sheet OUT.png COLUMNS SCENARIO.toml[@SEED[@TIME...]]...`, and says how long frames took.
//! Only for people who work on the world; nothing depends on it.

use std::time::Instant;

use ocellus_world::{CameraTruth, Quality, RenderBuffers, Scenario, World, rig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (out, columns, jobs) = (args[0].clone(), args[1].parse::<usize>()?, &args[2..]);
    let width: u32 = std::env::var("WIDTH").ok().and_then(|w| w.parse().ok()).unwrap_or(640);
    let height = width * 3 / 5;
    let mode = std::env::var("MODE").unwrap_or_default();
    let mut tiles = Vec::new();
    for job in jobs {
        let parts: Vec<&str> = job.split('@').collect();
        let scenario = Scenario::parse(&std::fs::read_to_string(parts[0])?)?;
        let seed = parts.get(1).map_or(Ok(scenario.seed), |s| s.parse())?;
        let start = Instant::now();
        let world = World::new(&scenario, seed)?;
        println!("{job}: world in {:.1} ms, {} actors", start.elapsed().as_secs_f64() * 1e3, world.actor_count());
        let times: Vec<f64> = parts[2.min(parts.len())..].iter().filter_map(|t| t.parse().ok()).collect();
        let setup = rig::front_camera(width, height);
        let (mut buffers, mut truth) = (RenderBuffers::new(), CameraTruth::default());
        for t in if times.is_empty() { vec![0.0] } else { times } {
            world.snapshot(t).render(&setup, Quality::FULL, &mut buffers, &mut truth);
            let mut tile: Vec<u8> = truth.rgb.data().to_vec();
            if mode == "depth" {
                for (p, z) in tile.chunks_exact_mut(3).zip(&truth.depth_m) {
                    p.fill((255.0 * (-z / 25.0).exp()) as u8);
                }
            }
            if mode == "boxes" {
                draw_truth(&mut tile, &truth, width as usize, height as usize);
            }
            println!("  t {t}: {} objects", truth.objects.len());
            tiles.push(tile);
        }
    }
    let rows = tiles.len().div_ceil(columns);
    let mut sheet = image::RgbImage::new(width * columns as u32, height * rows as u32);
    for (i, tile) in tiles.into_iter().enumerate() {
        let tile = image::RgbImage::from_raw(width, height, tile).ok_or("tile of wrong size")?;
        let (x, y) = ((i % columns) as i64 * i64::from(width), (i / columns) as i64 * i64::from(height));
        image::imageops::replace(&mut sheet, &tile, x, y);
    }
    sheet.save(out)?;
    Ok(())
}

fn draw_truth(tile: &mut [u8], truth: &CameraTruth, width: usize, height: usize) {
    for (p, id) in tile.chunks_exact_mut(3).zip(&truth.instance) {
        if *id > 0 {
            let h = u32::from(*id).wrapping_mul(0x9e37_79b1);
            for (k, v) in p.iter_mut().enumerate() {
                *v = ((u32::from(*v) + ((h >> (8 * k)) & 255)) / 2) as u8;
            }
        }
    }
    for object in &truth.objects {
        let Some(b) = object.box_visible else { continue };
        let (x0, y0) = (b.x0 as usize, b.y0 as usize);
        let (x1, y1) = ((b.x1 as usize).min(width) - 1, (b.y1 as usize).min(height) - 1);
        for x in x0..=x1 {
            for y in [y0, y1] {
                tile[(y * width + x) * 3..][..3].copy_from_slice(&[255, 255, 0]);
            }
        }
        for y in y0..=y1 {
            for x in [x0, x1] {
                tile[(y * width + x) * 3..][..3].copy_from_slice(&[255, 255, 0]);
            }
        }
    }
}
