//! `ocellus experiment` and `ocellus distill` on networks of a few thousand parameters: the table is there, the same command
//! again trains nothing and says the same, what cannot be is refused before anything is trained, and energy is accounted for.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Said, ocellus};

const NETWORK: &str = "[network]\nwidths = [4, 6, 8, 8, 8]\nneck = NECK\nfine = 6\nhead = 8\nprototypes = 4\n\
    [data]\nsize = [64, 96]\npool = 8\nfresh = 1\n[train]\nsteps = 3\nbatch = 2\nwarmup = 2\ncheckpoint = 2\n";
const ARMS: &str = "base = \"student.toml\"\nteacher = \"teacher.toml\"\njudge = [\"world:random@1\"]\n\
    calibrate = [\"world:random@2\"]\nreference = \"alone\"\n\
    [recipe.data]\nwindows = 1\n[[arm]]\nname = \"alone\"\nseeds = [1]\n[[arm]]\nname = \"taught\"\nseeds = [1]\n\
    [arm.recipe.teacher]\ntraining = \"teacher\"\n[arm.recipe.teacher.class]\nloss = \"quality\"\nweight = 1.0\n\
    [arm.recipe.teacher.features]\nloss = \"plain\"\nweight = 1.0\nchannels = 12\n";

fn put(folder: &Path, arms: &str) {
    let network = |name: &str, neck: &str| format!("name = \"{name}\"\nseed = 5\n{}", NETWORK.replace("NECK", neck));
    fs::write(folder.join("student.toml"), network("student", "8")).unwrap();
    fs::write(folder.join("teacher.toml"), network("teacher", "12")).unwrap();
    fs::write(folder.join("arms.toml"), arms).unwrap();
}

fn run(folder: &Path, more: &[&str]) -> Said {
    let (file, out) = (folder.join("arms.toml"), folder.join("out"));
    let words = ["experiment".as_ref(), file.as_os_str(), "--out".as_ref(), out.as_os_str()];
    ocellus(words.into_iter().chain(more.iter().map(|w| w.as_ref())))
}

#[test]
fn arms_are_trained_once_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), ARMS);
    let said = run(folder.path(), &["--as-is"]);
    assert!(said.code == 2 && said.err.contains("the teacher is not finished"), "{}", said.err);
    let said = run(folder.path(), &[]);
    assert_eq!(said.code, 0, "{}", said.err);
    for part in
        ["| teacher | 6 |", "| alone_1 | 6 |", "| taught_1 | 6 |", "| taught (seed 1) | all | depth AbsRel | 8 |"]
    {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    let out = folder.path().join("out");
    assert_eq!(fs::read_to_string(out.join("RESULTS.md")).unwrap(), said.out);
    let body: Value = serde_json::from_str(&fs::read_to_string(out.join("results.json")).unwrap()).unwrap();
    let trainings = body["trainings"].as_array().unwrap();
    assert_eq!(trainings.len(), 3);
    assert!(trainings.iter().all(|t| t["energy"]["joules"].as_f64().is_some_and(|j| j > 0.0)), "{trainings:?}");
    let gains = body["gains"].as_array().unwrap();
    assert!(gains.iter().any(|g| g["of"] == "car") && gains.iter().all(|g| g["arm"] == "taught (seed 1)"));
    let taught = fs::read(out.join("taught_1/checkpoint.bin")).unwrap();
    assert_ne!(taught, fs::read(out.join("alone_1/checkpoint.bin")).unwrap());

    let again = run(folder.path(), &["--as-is"]);
    assert_eq!((again.code, again.out), (0, said.out));
    assert!(taught == fs::read(out.join("taught_1/checkpoint.bin")).unwrap());
}

#[test]
fn an_experiment_that_cannot_be_is_refused_before_anything_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to, part) in [
        (
            "training = \"teacher\"",
            "training = \"others\"",
            "taught_1 learns from \"others\"; the teacher here is \"teacher\"",
        ),
        ("loss = \"plain\"", "loss = \"plane\"", "arm \"taught\""),
        ("base = \"student.toml\"", "base = \"nobody.toml\"", "nobody.toml"),
        ("reference = \"alone\"", "reference = \"none\"", "the arms are alone, taught"),
    ] {
        put(folder.path(), &ARMS.replace(from, to));
        let said = run(folder.path(), &[]);
        assert!(said.code == 2 && said.err.contains(part), "{part}: {}", said.err);
        assert!(!folder.path().join("out").exists(), "{part}");
    }
}

#[test]
fn what_a_distillation_took_is_told_by_stage_also_where_the_network_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), ARMS);
    let (recipe, out) = (folder.path().join("student.toml"), folder.path().join("made"));
    let words = ["distill".as_ref(), recipe.as_os_str(), "--out".as_ref(), out.as_os_str()];
    let judge = ["--judge", "world:random@1", "--judge-frames", "4"].map(AsRef::as_ref);
    let said = ocellus(words.into_iter().chain(judge));
    assert_eq!(said.code, 4, "{}", said.err);
    let account: Value = serde_json::from_str(&fs::read_to_string(out.join("energy.json")).unwrap()).unwrap();
    let stages = account["stages"].as_array().unwrap();
    let names: Vec<&str> = stages.iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["opening", "training", "export", "judging"]);
    assert!(stages[1]["joules"].as_f64().unwrap() > 0.0 && stages[3]["joules"].as_f64().unwrap() > 0.0, "{account}");
    assert!(account["sum"]["adds_up"] == true && said.err.contains("adds up"), "{account}: {}", said.err);
}
