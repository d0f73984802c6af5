//! A student learns from a teacher to the same bytes however it is run, and takes nothing of it into what is exported.

use super::learn::{Batch, learn};
use super::*;
use crate::export::export;
use crate::net::student::student;
use crate::recipe::NetworkTable;
use crate::train::optimiser::initial;
use crate::train::run::{self, CHECKPOINT, RunError};
use crate::train::{Trainer, checkpoint, network, trained};

const WHOLE: &str = "[teacher]\ntraining = \"wide\"\nramp = 0.5\n[teacher.class]\nloss = \"quality\"\nweight = 1.0\n\
    [teacher.sides]\nweight = 0.5\ntemperature = 2.0\n[teacher.depth]\nmetric = 0.5\ngradient = 0.2\n\
    [teacher.features]\nloss = \"masked\"\nweight = 1.0\nchannels = 12\n";

fn recipe(name: &str, [widest, neck, steps]: [usize; 3], rest: &str) -> Recipe {
    let text = format!(
        "name = \"{name}\"\nseed = 5\n[network]\nwidths = [4, 6, 8, 8, {widest}]\nneck = {neck}\nfine = 6\nhead = 8\nprototypes = 4\n\
         [data]\nsize = [64, 96]\npool = 4\nfresh = 1\n{rest}"
    );
    Recipe::parse(&text.replace("STEPS", &format!("[train]\nsteps = {steps}\nbatch = 2\nwarmup = 2\ncheckpoint = 2\n")))
        .unwrap()
}

fn taught(windows: usize, teacher: &str) -> Recipe {
    recipe("small", [8, 8, 5], &format!("windows = {windows}\nSTEPS{teacher}"))
}

fn train(recipe: &Recipe, folder: &std::path::Path) -> Trainer {
    let mut trainer = run::open(recipe, folder).unwrap();
    run::run(folder, &mut trainer, |_| true).unwrap();
    trainer
}

/// A finished teacher of 12 channels.
fn wide(folder: &std::path::Path) {
    train(&recipe("wide", [12, 12, 3], "STEPS"), &folder.join("wide"));
}

#[test]
fn a_taught_training_cut_off_and_taken_up_ends_as_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    wide(folder.path());
    for windows in [0, 2] {
        let recipe = taught(windows, WHOLE);
        let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(format!("{name}{windows}")));
        let once = train(&recipe, &whole);
        // Cut off during step 4, whose work is lost: the checkpoint is that of step 2.
        let mut first = run::open(&recipe, &parts).unwrap();
        for step in 1..4 {
            let report = first.step().unwrap();
            assert!(report.taught.is_some_and(|l| l.class > 0.0 && l.features > 0.0 && l.depth > 0.0));
            if step == 2 {
                let text = toml::to_string(first.recipe()).unwrap();
                checkpoint::write(&parts.join(CHECKPOINT), &text, first.state()).unwrap();
            }
        }
        drop(first);
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let second = one_thread.install(|| train(&recipe, &parts));
        assert_eq!(once.state(), second.state());
        let bytes = |folder: &std::path::Path| std::fs::read(folder.join(CHECKPOINT)).unwrap();
        assert!(bytes(&whole) == bytes(&parts), "windows = {windows}");
        // The teacher moved what was learnt.
        let alone = train(&Recipe { teacher: None, ..recipe.clone() }, &folder.path().join(format!("alone{windows}")));
        assert_ne!(alone.state().values[0], once.state().values[0]);
    }
}

#[test]
fn adapters_are_trained_and_kept_and_left_out_of_what_is_exported() {
    let folder = tempfile::tempdir().unwrap();
    wide(folder.path());
    let recipe = taught(1, WHOLE);
    let trainer = train(&recipe, &folder.path().join("small"));
    let (plain, state) = (network(&recipe), trainer.state());
    let adapters = &trainer.graph().parameters[plain.parameters.len()..];
    assert_eq!(adapters.iter().filter(|p| p.name.starts_with("adapt_")).count(), 6, "weights and bias at three scales");
    let start = initial(trainer.graph(), recipe.seed);
    assert!((plain.parameters.len()..start.len()).all(|i| state.values[i] != start[i]), "each adapter is trained");
    let (_, read) = run::read(&folder.path().join("small").join(CHECKPOINT)).unwrap();
    assert_eq!(&read, state);
    let made = export(&recipe, &plain, &state.average, &state.average_running, state.step);
    let mut cut = state.average.clone();
    cut.truncate(plain.parameters.len());
    assert_eq!(made, export(&recipe, &plain, &cut, &state.average_running, state.step));
    let text = String::from_utf8_lossy(&made.onnx);
    assert!(text.contains("neck_8.weight") && !text.contains("adapt_"));
    let taught = trainer.recipe().clone();
    let made = export(&taught, &plain, &state.average, &state.average_running, state.step);
    let weights = taught.teacher.and_then(|t| t.sha256).unwrap();
    let told = format!("wide (weights sha256 {weights})");
    assert!(made.manifest.contains(&told) && String::from_utf8_lossy(&made.onnx).contains(&told));
}

#[test]
fn a_teacher_that_does_not_fit_is_refused_and_both_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small");
    let refused = |recipe: &Recipe, parts: &[&str]| {
        let error = run::open(recipe, &small).err().unwrap();
        assert!(matches!(error, RunError::Start { .. }), "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    };
    refused(&taught(1, WHOLE), &["learns from the training \"wide\"", "has no checkpoint.bin"]);
    wide(folder.path());
    let narrow = taught(1, &WHOLE.replace("channels = 12", "channels = 10"));
    refused(&narrow, &["neck_8 is 10 x 8 x 12 at the student and 12 x 8 x 12 at the teacher", "network.neck"]);
    let mut coarse = taught(1, WHOLE);
    coarse.network.bins = 4;
    refused(&coarse, &["box_8 is 16 x 8 x 12 at the student and 32 x 8 x 12 at the teacher", "network.bins"]);
    let pinned = taught(1, &WHOLE.replace("ramp", "sha256 = \"00\"\nramp"));
    refused(&pinned, &["teacher.sha256"]);
    // Other classes, or a scale that is not there.
    let own = network(&taught(1, WHOLE));
    let table = taught(1, WHOLE).teacher.unwrap();
    let fewer = student(&NetworkTable::default(), 5, [64, 96]);
    let mut scales = own.clone();
    scales.outputs.retain(|(name, _)| name != "class_32");
    for (teacher, part) in [
        (&fewer, "class_8 is 7 x 8 x 12 at the student and 5 x 8 x 12"),
        (&scales, "class_32 is 7 x 2 x 3 at the student and absent"),
    ] {
        let error = Teacher::new("other", (teacher, State::new(teacher, 1)), &own, &table).err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    }
    // A teacher that was trained on in the meantime is another one.
    train(&taught(1, WHOLE), &small);
    train(&recipe("wide", [12, 12, 4], "STEPS"), &folder.path().join("wide"));
    let error = run::open(&taught(1, WHOLE), &small).err().unwrap();
    assert!(matches!(error, RunError::Another { .. }) && error.to_string().contains("other weights"), "{error}");
}

#[test]
fn a_teacher_without_numbers_stops_the_training_by_its_name() {
    let recipe = taught(1, WHOLE);
    let graph = network(&self::recipe("wide", [12, 12, 3], "STEPS"));
    let mut state = State::new(&graph, 1);
    let head = graph.parameters.iter().position(|p| p.name == "class_8.bias").unwrap();
    state.average[head][0] = f32::NAN;
    let teacher = Teacher::new("wide", (&graph, state), &trained(&recipe), recipe.teacher.as_ref().unwrap()).unwrap();
    let mut trainer = Trainer::new(recipe, None).taught_by(Some(teacher));
    let error = trainer.step().unwrap_err().to_string();
    assert!(
        error.contains("step 0") && error.contains("teacher \"wide\" answers") && error.contains("view"),
        "{error}"
    );
    assert_eq!(trainer.state().step, 0);
}

#[test]
fn a_view_is_asked_about_once_a_window() {
    let mut recipe = taught(2, WHOLE);
    (recipe.train.batch, recipe.data.fresh) = (4, 1);
    let graph = network(&self::recipe("wide", [12, 12, 3], "STEPS"));
    let table = recipe.teacher.clone().unwrap();
    let mut teacher = Teacher::new("wide", (&graph, State::new(&graph, 1)), &trained(&recipe), &table).unwrap();
    let mut pool = Pool::at(&recipe.data, 0);
    let mut asked = BTreeMap::new();
    for step in 0..6 {
        let samples = pool.batch(&recipe, step);
        for (sample, answer) in samples.iter().zip(teacher.answers(&recipe, &pool, &samples).unwrap()) {
            let before = asked.entry(sample.shown).or_insert_with(|| answer.clone());
            assert!(Arc::ptr_eq(before, &answer), "{:?}", sample.shown);
            let picture = pool.unaltered(&recipe, sample.shown);
            assert_ne!(picture, sample.picture, "colours are altered");
            assert_eq!(teacher.ask(&[sample.shown], &picture).unwrap()[0], *answer);
        }
        let fresh = pool.fresh(&recipe.data, step + 1);
        pool.add(&recipe.data, fresh);
    }
    assert!(asked.keys().any(|s| s.window == 1) && asked.len() > 5, "{}", asked.len());
    assert!(teacher.kept.keys().all(|s| s.view + 1 >= pool.oldest()) && teacher.kept.len() <= 10);
}

/// Gradients of every loss, from the maps down to the biases that move them.
#[test]
fn gradients_of_the_lessons_are_those_of_finite_differences() {
    let wide = network(&recipe("wide", [12, 12, 3], "STEPS"));
    // A teacher that says something: large heads.
    let mut state = State::new(&wide, 3);
    for (values, p) in state.average.iter_mut().zip(&wide.parameters) {
        if ["class_", "box_", "log_depth.w"].iter().any(|n| p.name.starts_with(n)) {
            values.iter_mut().for_each(|v| *v *= if p.name.ends_with("weight") { 60.0 } else { 0.3 });
        }
    }
    let class = |loss: &str| {
        format!("[teacher]\ntraining = \"wide\"\n[teacher.class]\nloss = \"{loss}\"\nweight = 1.3\ntemperature = 2.0\n")
    };
    let features = |loss: &str| {
        format!("[teacher]\ntraining = \"wide\"\n[teacher.features]\nloss = \"{loss}\"\nweight = 0.7\nchannels = 12\n")
    };
    let sides = "[teacher]\ntraining = \"wide\"\n[teacher.sides]\nweight = 1.1\ntemperature = 2.0\n";
    let depth = |term: &str| format!("[teacher]\ntraining = \"wide\"\n[teacher.depth]\n{term} = 0.6\n");
    let mut cases: Vec<(String, &str)> = ["kd", "quality", "dkl", "dkd"].map(|l| (class(l), "class_8.bias")).into();
    cases.extend(
        ["plain", "cosine", "masked", "focal", "channelwise", "pearson"].map(|l| (features(l), "adapt_8.weight")),
    );
    cases.extend([(sides.to_owned(), "box_8.bias"), (depth("metric"), "log_depth.weight")]);
    cases.extend(["scale_shift", "gradient"].map(|term| (depth(term), "log_depth.weight")));
    for (text, moved) in cases {
        let recipe = taught(0, &text);
        let (graph, table) = (trained(&recipe), recipe.teacher.as_ref().unwrap());
        let mut teacher = Teacher::new("wide", (&wide, state.clone()), &graph, table).unwrap();
        let pool = Pool::at(&recipe.data, 0);
        let samples = pool.batch(&recipe, 0);
        let answers = teacher.answers(&recipe, &pool, &samples).unwrap();
        let pictures: Vec<f32> = samples.iter().flat_map(|s| s.picture.iter().copied()).collect();
        let mut values = initial(&graph, 9);
        // A depth that is not flat: else the loss that forgives scale is steep beyond any step.
        let depth = graph.parameters.iter().position(|p| p.name == "log_depth.weight").unwrap();
        values[depth].iter_mut().for_each(|v| *v *= 30.0);
        let mut tape = Tape::default();
        let mut run = |values: &Values| {
            tape.forward(&graph, values, None, &pictures);
            let (lesson, seeds) =
                learn(&Batch { graph: &graph, tape: &tape, samples: &samples, answers: &answers }, table, 0.5);
            let seeds: Vec<_> = seeds.iter().map(|(n, s)| (*n, &s[..])).collect();
            let mut grads = values.clone();
            tape.backward(&graph, values, &seeds, &mut grads);
            (lesson.total(table), grads)
        };
        let (value, grads) = run(&values);
        let index = graph.parameters.iter().position(|p| p.name == moved).unwrap();
        let largest = grads[index].iter().map(|g| g.abs()).fold(0.0, f32::max);
        assert!(value > 0.0 && largest > 0.0, "{text}");
        for at in (0..grads[index].len()).step_by(5) {
            let mut slope = |by: f32| {
                let mut values = values.clone();
                values[index][at] += by;
                run(&values).0
            };
            let found = (slope(2e-3) - slope(-2e-3)) / 4e-3;
            let gap = (found - f64::from(grads[index][at])).abs();
            assert!(gap < 0.02 * f64::from(largest), "{text} {at}: {} and {found}", grads[index][at]);
        }
    }
}
