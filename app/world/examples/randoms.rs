//! Draws one picture each of random streets: `randoms OUT.png COLUMNS FIRST_SEED COUNT`, or of clips with a kind after it
//! (collide, near, other, receding, pass), at the time of the event.

use ocellus_world::{CameraTruth, ClipKind, Knobs, Quality, RenderBuffers, Scenario, World, rig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (columns, first, count) = (args[1].parse::<u32>()?, args[2].parse::<u64>()?, args[3].parse::<u64>()?);
    let kind = args.get(4).map(|k| match k.as_str() {
        "collide" => ClipKind::Collide,
        "near" => ClipKind::NearMiss,
        "other" => ClipKind::OtherLaneCrash,
        "receding" => ClipKind::Receding,
        _ => ClipKind::ClosePass,
    });
    let (width, height) = (480, 288);
    let rows = (count as u32).div_ceil(columns);
    let mut sheet = image::RgbImage::new(width * columns, height * rows);
    let (mut buffers, mut truth) = (RenderBuffers::new(), CameraTruth::default());
    for k in 0..count {
        let seed = first + k;
        let scenario =
            kind.map_or_else(|| Scenario::random(seed, &Knobs::default()), |kind| Scenario::random_clip(seed, kind));
        let world = World::new(&scenario, seed)?;
        let event_s = world.collision_label(0.0, 0.0).at_s.unwrap_or(scenario.duration_s - 1.0);
        let t = if kind.is_some() { event_s - 0.8 } else { 1.0 };
        world.snapshot(t).render(&rig::front_camera(width, height), Quality::FULL, &mut buffers, &mut truth);
        let tile = image::RgbImage::from_raw(width, height, truth.rgb.data().to_vec()).ok_or("tile of wrong size")?;
        let (x, y) = (k as u32 % columns * width, k as u32 / columns * height);
        image::imageops::replace(&mut sheet, &tile, i64::from(x), i64::from(y));
    }
    sheet.save(&args[0])?;
    Ok(())
}
