//! Pictures of the simulated world as a data set, with all it knows: `world:SCENARIO@SEEDS`.
//!
//! SCENARIO is a TOML file, the name of one under launch/worlds/, `random` for streets made by the seed, or `clips` for
//! short scenes of which every second one ends in a collision. SEEDS are numbers and ranges: `1-4,9`. Without `@` the
//! scenario's own seed. The same words give the same pictures anywhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use ocellus_judge::coco::{ImageInfo, Rle, Segmentation};
use ocellus_judge::detect::distance_tag;
use ocellus_world::rig::front_camera;
use ocellus_world::{
    CameraTruth, ClipKind, FrameTags, Knobs, ObjectClass, ObjectTruth, OcclusionLevel, Quality, RenderBuffers,
    Scenario, World,
};

use super::data::{DataRequest, Frame, Part, Picture, Rendered};
use super::labels::{Labelled, object};

/// What a world's name begins with.
pub const PREFIX: &str = "world:";
/// Frames of each seed, spread over its time, unless told otherwise.
pub const FRAMES_EACH: usize = 8;
/// Columns and rows of pictures.
pub const SIZE: (u32, u32) = (640, 384);
/// More seeds than this are a slip of the pen.
const SEEDS_MAX: usize = 10_000;
/// Fewer visible pixels are a speck, and more hidden than this is no object a person would mark (as in labels of drives).
pub(super) const VISIBLE_PX_MIN: u32 = 12;
pub(super) const OCCLUSION_MAX: f32 = 0.9;
/// Streets and clips made by a seed.
const RANDOM: &str = "random";
const CLIPS: &str = "clips";

/// A scenario with its seeds.
pub struct Worlds {
    /// Each world to be made.
    pub seeds: Vec<u64>,
    made: Made,
}

/// Where a scenario comes from.
enum Made {
    /// The text of a file.
    Written(String),
    /// Streets by seed.
    Random,
    /// Clips by seed.
    Clips,
}

/// The kinds of clips that do not collide, in turn.
const HARMLESS: [ClipKind; 4] = [ClipKind::NearMiss, ClipKind::OtherLaneCrash, ClipKind::Receding, ClipKind::ClosePass];

/// The kind of the `k`-th clip: every second one collides, the others are of all harmless kinds in turn.
pub fn clip_kind(k: usize) -> ClipKind {
    if k.is_multiple_of(2) { ClipKind::Collide } else { HARMLESS[k / 2 % HARMLESS.len()] }
}

impl Worlds {
    /// Reads `SCENARIO@SEEDS`.
    pub fn parse(written: &str) -> Result<Self> {
        let (name, seeds) = written.rsplit_once('@').map_or((written, None), |(n, s)| (n, Some(s)));
        let seeds = seeds.map(parse_seeds).transpose()?;
        for (known, made) in [(RANDOM, Made::Random), (CLIPS, Made::Clips)] {
            if name == known {
                let seeds = seeds.ok_or_else(|| anyhow!("{known} streets need seeds: world:{known}@1-20"))?;
                return Ok(Self { seeds, made });
            }
        }
        let file = scenario_file(name)?;
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let scenario = Scenario::parse(&text).with_context(|| file.display().to_string())?;
        Ok(Self { seeds: seeds.unwrap_or_else(|| vec![scenario.seed]), made: Made::Written(text) })
    }

    /// The scenario of a seed.
    pub fn scenario(&self, seed: u64) -> Result<Scenario> {
        Ok(match &self.made {
            Made::Written(text) => Scenario { seed, ..Scenario::parse(text)? },
            Made::Random => Scenario::random(seed, &Knobs::default()),
            Made::Clips => Scenario::random_clip(seed, clip_kind(seed as usize)),
        })
    }
}

fn parse_seeds(text: &str) -> Result<Vec<u64>> {
    let wrong = || anyhow!("seeds: expected numbers and ranges such as 1-4,9, got `{text}`");
    let mut seeds = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = first.trim().parse().ok().zip(last.trim().parse().ok()).ok_or_else(wrong)?;
        if last < first || (last - first) as usize + seeds.len() >= SEEDS_MAX {
            return Err(wrong());
        }
        seeds.extend(first..=last);
    }
    Ok(seeds)
}

/// A scenario by path, or by name under launch/worlds/ here or above the program.
fn scenario_file(name: &str) -> Result<PathBuf> {
    let path = PathBuf::from(name);
    if path.is_file() {
        return Ok(path);
    }
    let program = std::env::current_exe().unwrap_or_default();
    let roots = std::iter::once(Path::new("")).chain(program.ancestors().skip(1));
    let mut places = roots.map(|root| root.join("launch/worlds").join(format!("{name}.toml")));
    let found = places.find(|p| p.is_file());
    found.ok_or_else(|| anyhow!("no scenario file {name}, nor launch/worlds/{name}.toml"))
}

/// Renders the pictures of `written` (without its prefix).
pub(super) fn part(written: &str, sequence: usize, request: &DataRequest) -> Result<Part> {
    let worlds = Worlds::parse(written)?;
    let sources = request.sources.len().max(1);
    // Only frames that will be kept are rendered: the same share of each source and seed.
    let each = request.frames.map_or(FRAMES_EACH, |n| n.div_ceil(sources * worlds.seeds.len())).max(1);
    let mut studio = Studio::default();
    let mut frames = Vec::new();
    let mut truth = Labelled::with_frames(each * worlds.seeds.len());
    let known = ObjectClass::ALL.iter().filter(|c| **c != ObjectClass::Unknown);
    known.for_each(|class| truth.know(class.name()));
    for (index, &seed) in worlds.seeds.iter().enumerate() {
        let scenario = worlds.scenario(seed)?;
        let world = World::new(&scenario, seed).with_context(|| format!("{}, seed {seed}", scenario.name))?;
        let tags: Vec<String> = FrameTags::of(&scenario).names().map(str::to_owned).to_vec();
        for k in 0..each {
            let t_s = scenario.duration_s * (k as f64 + 0.5) / each as f64;
            let rendered = studio.render(&world, t_s, request.maps);
            rendered.objects.iter().for_each(|o| add(&mut truth, index * each + k, o, &rendered.instance));
            let frame = Frame {
                name: format!("{}@{seed} {t_s:.2} s", scenario.name),
                sequence: sequence + index,
                t_s: Some(t_s),
                picture: Picture::Held(studio.truth.rgb.clone()),
                rendered: Some(Arc::new(rendered)),
            };
            let info = ImageInfo {
                id: (index * each + k) as i64 + 1,
                size: Some((SIZE.1, SIZE.0)),
                file_name: String::new(),
                tags: tags.clone(),
            };
            frames.push((frame, info));
        }
    }
    let text = match &worlds.made {
        Made::Written(text) => text.as_str(),
        Made::Random => RANDOM,
        Made::Clips => CLIPS,
    };
    let fingerprint = format!("{text}\n{:?} x {each} at {SIZE:?}\n", worlds.seeds);
    Ok(Part { frames, truth: Some(truth), fingerprint, notes: Vec::new() })
}

/// Scratch of rendering.
#[derive(Default)]
struct Studio {
    buffers: RenderBuffers,
    truth: CameraTruth,
}

impl Studio {
    fn render(&mut self, world: &World, t_s: f64, maps: bool) -> Rendered {
        let setup = front_camera(SIZE.0, SIZE.1);
        world.snapshot(t_s).render(&setup, Quality::FULL, &mut self.buffers, &mut self.truth);
        Rendered {
            focal_px: setup.camera.fx,
            depth_m: if maps { self.truth.depth_m.clone() } else { Vec::new() },
            instance: if maps { self.truth.instance.clone() } else { Vec::new() },
            objects: self.truth.objects.clone(),
        }
    }
}

fn add(truth: &mut Labelled, frame: usize, o: &ObjectTruth, instance: &[u16]) {
    let Some(bbox) = o.box_visible.filter(|_| o.class != ObjectClass::Unknown) else { return };
    let counts = o.visible_px >= VISIBLE_PX_MIN && o.occlusion <= OCCLUSION_MAX;
    let occlusion = match o.occlusion_level() {
        OcclusionLevel::Clear => "occlusion none",
        OcclusionLevel::Part => "occlusion part",
        OcclusionLevel::Heavy => "occlusion heavy",
    };
    let tags = std::iter::once(occlusion.to_owned()).chain(o.distance_m.and_then(distance_tag)).collect();
    let mut object = object(&bbox, !counts, tags);
    if !instance.is_empty() {
        let own: Vec<u8> = instance.iter().map(|i| u8::from(*i == o.instance)).collect();
        let mask = Rle::from_rows(SIZE.1, SIZE.0, &own);
        object.segmentation = Some(Segmentation::Runs { size: [mask.height, mask.width], counts: mask.counts });
    }
    truth.add(frame, o.class.name(), object);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_numbers_and_ranges() {
        assert_eq!(parse_seeds("1-3,9").unwrap(), [1, 2, 3, 9]);
        for bad in ["", "a", "3-1", "1-", "1-99999999"] {
            assert!(parse_seeds(bad).unwrap_err().to_string().contains("such as 1-4,9"), "{bad}");
        }
        assert!(Worlds::parse("random").is_err_and(|e| e.to_string().contains("need seeds")));
        assert!(Worlds::parse("nowhere@1").is_err_and(|e| e.to_string().contains("launch/worlds/nowhere.toml")));
    }
}
