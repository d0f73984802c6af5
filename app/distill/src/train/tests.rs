//! A training is a function of its recipe: interrupted or not, with one thread or several.

use super::run::{self, CHECKPOINT, RunError};
use super::*;
use crate::loss::assign::assign;
use crate::loss::grid::{Grid, Maps};
use crate::recipe::RecipeError;

fn recipe(steps: usize) -> Recipe {
    let text = format!(
        "name = \"tiny\"\nseed = 5\n[network]\nwidths = [4, 6, 8, 8, 8]\nneck = 8\nfine = 6\nhead = 8\nprototypes = 4\n\
         [data]\nsize = [64, 96]\npool = 8\nfresh = 1\n[train]\nsteps = {steps}\nbatch = 2\nwarmup = 2\ncheckpoint = 2\n"
    );
    Recipe::parse(&text).unwrap()
}

/// A folder of its own for each test, removed at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ocellus-distill-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_training_cut_off_and_taken_up_ends_as_one_that_was_not() {
    let (whole, parts) = (Folder::new("whole"), Folder::new("parts"));
    let recipe = recipe(5);
    let mut once = run::open(&recipe, &whole.0).unwrap();
    run::run(&whole.0, &mut once, |_| true).unwrap();
    // Cut off during step 4, whose work is lost: the checkpoint is that of step 2.
    let mut first = run::open(&recipe, &parts.0).unwrap();
    for _ in 0..3 {
        let report = first.step().unwrap();
        if report.step == 2 {
            let text = toml::to_string(&recipe).unwrap();
            checkpoint::write(&parts.0.join(CHECKPOINT), &text, first.state()).unwrap();
        }
    }
    drop(first);
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut second = one_thread.install(|| run::open(&recipe, &parts.0).unwrap());
    assert_eq!(second.state().step, 2);
    one_thread.install(|| run::run(&parts.0, &mut second, |_| true).unwrap());
    assert_eq!(once.state(), second.state());
    let bytes = |folder: &Folder| std::fs::read(folder.0.join(CHECKPOINT)).unwrap();
    assert_eq!(bytes(&whole), bytes(&parts));
}

#[test]
fn a_training_starts_from_another_of_other_pictures() {
    let folder = Folder::new("start");
    let (tiny, larger) = (folder.0.join("tiny"), folder.0.join("larger"));
    let mut from = recipe(5);
    from.train.start = Some("tiny".to_owned());
    (from.name, from.data.size) = ("larger".to_owned(), [96, 128]);
    let refused = |what: &str| {
        let error = run::open(&from, &larger).err().unwrap();
        assert!(matches!(error, RunError::Start { .. }) && error.to_string().contains(what), "{error}");
    };
    refused("has no checkpoint.bin");
    let mut first = run::open(&recipe(3), &tiny).unwrap();
    run::run(&tiny, &mut first, |report| report.step < 2).unwrap();
    refused("step 2 of 3");
    run::run(&tiny, &mut first, |_| true).unwrap();
    let second = run::open(&from, &larger).unwrap();
    assert_eq!((second.state().step, &second.state().values), (0, &first.state().average));
    assert_eq!(second.state().running, first.state().average_running);
    assert!(second.state().first.iter().flatten().all(|v| *v == 0.0));
    let wider = Recipe { network: crate::recipe::NetworkTable { neck: 10, ..from.network.clone() }, ..from.clone() };
    assert!(run::open(&wider, &larger).err().unwrap().to_string().contains("[network] is another"));
}

#[test]
fn a_broken_checkpoint_is_refused_by_name() {
    let folder = Folder::new("broken");
    let recipe = recipe(1);
    let path = folder.0.join(CHECKPOINT);
    let mut trainer = run::open(&recipe, &folder.0).unwrap();
    run::run(&folder.0, &mut trainer, |_| true).unwrap();
    let good = std::fs::read(&path).unwrap();
    for (change, part) in [(good.len() - 1, "cut off"), (good.len() / 2, "cut off"), (10, "not a checkpoint")] {
        std::fs::write(&path, &good[..change]).unwrap();
        let error = run::open(&recipe, &folder.0).err().unwrap().to_string();
        assert!(error.contains(part) && error.contains(CHECKPOINT), "{error}");
    }
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    assert!(run::open(&recipe, &folder.0).err().unwrap().to_string().contains("changed"));
    std::fs::write(&path, &good).unwrap();
    let other = Recipe { seed: 6, ..recipe.clone() };
    assert!(matches!(run::open(&other, &folder.0), Err(RunError::Another { .. })));
    assert!(run::open(&recipe, &folder.0).unwrap().is_done());
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_last_one() {
    let folder = Folder::new("full");
    let recipe = recipe(1);
    let mut trainer = run::open(&recipe, &folder.0).unwrap();
    run::run(&folder.0, &mut trainer, |_| true).unwrap();
    let path = folder.0.join(CHECKPOINT);
    let good = std::fs::read(&path).unwrap();
    // A folder where the new file would be: creating it fails as on a disk that takes no more.
    std::fs::create_dir(path.with_extension("partial")).unwrap();
    let error = checkpoint::write(&path, "", trainer.state()).unwrap_err().to_string();
    assert!(error.contains("last good checkpoint stays"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), good);
}

#[test]
fn a_loss_that_is_no_number_stops_and_names_its_batch() {
    let recipe = recipe(3);
    let mut state = State::new(&network(&recipe), recipe.seed);
    state.values[0][0] = f32::NAN;
    let mut trainer = Trainer::new(recipe, Some(state));
    let error = trainer.step().unwrap_err().to_string();
    assert!(error.contains("not finite") && error.contains("seed 5, step 0"), "{error}");
    assert_eq!(trainer.state().step, 0);
}

#[test]
fn losses_fall_on_what_is_learnt_by_heart() {
    let mut recipe = recipe(60);
    // One view, again and again.
    (recipe.data.pool, recipe.data.fresh, recipe.train.batch) = (2, 1, 2);
    recipe.train.rate = 3e-3;
    let mut trainer = Trainer::new(recipe.clone(), None);
    let totals: Vec<f64> = (0..60).map(|_| trainer.step().unwrap().parts.total(&recipe.loss)).collect();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&totals[50..]) < 0.8 * mean(&totals[..10]), "{} {}", mean(&totals[..10]), mean(&totals[50..]));
}

#[test]
fn wrong_recipes_name_the_key() {
    for (text, part) in [
        ("name = \"n\"\nseed = 1\n[network]\nwidhts = [1]\n", "widhts"),
        ("name = \"n\"\nseed = 1\n[data]\nsize = [100, 64]\n", "data.size is [100, 64]"),
        ("name = \"n\"\nseed = 1\n[network]\nbins = 1\n", "network.bins"),
        ("name = \"n\"\nseed = 1\n[train]\nbatch = 0\n", "train.batch"),
        ("name = \"n\"\nseed = 1\n[data]\nfov_deg = [90.0, 50.0]\n", "data.fov_deg"),
        ("seed = 1\n", "name"),
    ] {
        let error = Recipe::parse(text).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(matches!(Recipe::parse("nothing"), Err(RecipeError::Toml(_))));
}

#[test]
fn shipped_recipes_are_good() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/recipes");
    let mut found = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let recipe = Recipe::parse(&std::fs::read_to_string(&path).unwrap());
        assert!(recipe.is_ok(), "{}: {}", path.display(), recipe.unwrap_err());
        found += 1;
    }
    assert!(found > 0);
}

#[test]
fn every_object_has_cells_and_no_cell_two_objects() {
    let grid = Grid::new([64, 96]);
    let planes: Vec<usize> = grid.scales.iter().map(|s| s.plane()).collect();
    let zeros = |channels: usize| planes.iter().map(|p| vec![0.0f32; channels * p]).collect::<Vec<_>>();
    let (classes, boxes) = (zeros(7), zeros(32));
    fn maps(v: &[Vec<f32>], channels: usize) -> Maps<'_> {
        Maps::new(v.iter().map(|m| &m[..]).collect(), channels)
    }
    let samples: Vec<_> = {
        let mut renderer = crate::data::view::Renderer::default();
        let table = recipe(1).data;
        (0..8).map(|n| crate::data::augment::plain(&renderer.view(&table, n))).collect()
    };
    let mut objects = 0;
    for sample in &samples {
        let a = assign(&grid, (&maps(&classes, 7), &maps(&boxes, 32)), 0, &sample.objects, &sample.ignore);
        objects += sample.objects.len();
        assert!(a.positives.windows(2).all(|p| p[0].number < p[1].number), "a cell has one object");
        assert!(a.positives.iter().all(|p| (0.0..=1.0).contains(&p.target) && !a.ignored[p.number]));
        // Where objects do not overlap, each has a cell.
        let alone = |i: usize| {
            sample.objects.iter().enumerate().all(|(j, o)| i == j || o.bbox.iou(&sample.objects[i].bbox) == 0.0)
        };
        for i in (0..sample.objects.len()).filter(|&i| alone(i)) {
            assert!(a.positives.iter().any(|p| p.object == i), "object {:?}", sample.objects[i]);
        }
    }
    assert!(objects > 5, "{objects}");
}
