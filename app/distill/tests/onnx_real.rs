//! Real networks, read and written again: nothing may be lost.

use std::path::Path;

use ocellus_distill::onnx::{self, Links, fold, opset};

#[test]
fn real_networks_survive_reading_and_writing() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/detectors");
    if !data.is_dir() {
        println!("skipped: no real data");
        return;
    }
    let mut seen = 0;
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let model = onnx::read(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let written = onnx::write(&model);
        assert_eq!(onnx::read(&written).unwrap(), model, "{}", path.display());
        assert!(written == bytes, "{}: not the same bytes", path.display());
        let mut changed = model.clone();
        opset::raise(&mut changed).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let graph = changed.graph.as_mut().unwrap();
        fold::constants_to_initializers(graph);
        fold::batch_norms(graph).unwrap();
        let links = Links::new(graph);
        for node in &graph.node {
            for input in node.input.iter().filter(|i| !i.is_empty()) {
                let known = links.producer(input).is_some()
                    || links.initializer(input).is_some()
                    || graph.input.iter().any(|i| i.name() == input);
                assert!(known, "{}: {} reads {input}, which nothing writes", path.display(), node.label());
            }
        }
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} networks");
}
