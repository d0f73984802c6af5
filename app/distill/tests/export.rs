//! What is exported gives in ONNX Runtime what the trainer's own forward pass gives.

use ocellus_distill::export::export;
use ocellus_distill::net::engine::Tape;
use ocellus_distill::recipe::Recipe;
use ocellus_distill::train::Trainer;
use ocellus_infer::library::{LocateOptions, ensure};
use ocellus_infer::{Network, Runtime, SessionOptions};
use ocellus_percept::model::{HeadFamily, ModelManifest};
use ocellus_percept::tensor::{Decoder, TensorData};

/// Largest difference, as a share of the largest value.
const CLOSE: f32 = 1e-5;

#[test]
fn the_exported_file_gives_the_trainers_forward_pass() {
    let recipe = Recipe::parse(
        "name = \"tiny\"\nseed = 5\n[network]\nwidths = [8, 12, 16, 24, 32]\nneck = 16\nfine = 12\nhead = 16\n\
         [data]\nsize = [64, 96]\npool = 8\n[train]\nsteps = 6\nbatch = 4\nrate = 0.01\nwarmup = 1\n",
    )
    .unwrap();
    // Some steps, so that norms have statistics and blocks are no longer the identity.
    let mut trainer = Trainer::new(recipe.clone(), None);
    (0..6).for_each(|_| assert!(trainer.step().is_ok()));
    let (graph, state) = (trainer.graph(), trainer.state());
    let made = export(&recipe, graph, &state.average, &state.average_running, state.step);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(&made.file);
    std::fs::write(&path, &made.onnx).unwrap();
    let library = ensure(&LocateOptions::from_environment(None), &mut |_| {}).unwrap();
    let runtime = Runtime::start(&library).unwrap();
    let mut network = Network::load(&runtime, &path, &SessionOptions::default()).unwrap();

    let picture: Vec<f32> = (0..3 * 64 * 96u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as f32 / 255.0).collect();
    let mut tape = Tape::default();
    tape.forward(graph, &state.average, Some(&state.average_running), &picture);
    network.input_mut("picture").unwrap().copy_from_slice(&picture);
    let compared = network
        .run(|outputs| {
            for output in outputs {
                let TensorData::F32(found) = output.data else { panic!("{} is not of floats", output.name) };
                let wanted = tape.value(graph.output(output.name).unwrap());
                assert_eq!(found.len(), wanted.len(), "{}", output.name);
                let largest = wanted.iter().map(|v| v.abs()).fold(1.0, f32::max);
                let apart = found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(apart <= CLOSE * largest, "{}: {apart} apart, values up to {largest}", output.name);
            }
            outputs.len()
        })
        .unwrap();
    assert_eq!(compared, 11, "three scales of three, prototypes, depth");

    // The manifest beside it is read by the app, which recognises the head with or without it.
    let manifest = ModelManifest::parse(&made.manifest).unwrap();
    assert_eq!((&manifest.sha256[..], manifest.head), (network.digest(), Some(HeadFamily::Student)));
    let spec = manifest.to_spec(network.inputs(), network.outputs(), network.metadata()).unwrap();
    assert_eq!((spec.input.width, spec.input.height, spec.classes.len()), (96, 64, 7));
    assert!(Decoder::new(&spec, network.outputs()).is_ok());
    assert_eq!(network.metadata().get("seed").map(String::as_str), Some("5"));
    assert!(network.metadata()["recipe"].contains("widths"));
}
