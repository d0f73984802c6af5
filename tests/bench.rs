//! `ocellus bench`: what it measures of a drive, and that a frame on the hot path allocates nothing once buffers are warm.

use serde_json::Value;

use crate::support::{ocellus, root};

fn bench(arguments: &[&str]) -> Value {
    let (drive, model) = (root().join("tests/data/street.mcap"), root().join("models/street"));
    let (drive, model) = (drive.display().to_string(), model.display().to_string());
    let said = ocellus(["bench"].iter().chain(arguments).chain(&["--drive", &drive, "--model", &model, "--json"]));
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn from_reading_to_tracking_a_warm_frame_allocates_nothing() {
    let said = bench(&["drive", "--turns", "1", "--pictures", "60"]);
    let end = &said["drives"][0];
    assert_eq!(end["frames"], 60);
    assert!(end["bare_cpu_ms"].as_f64().unwrap() > 0.0 && end["cpu_ms"].as_f64().unwrap() > 0.0, "{end:#}");
    let allocations = end["allocations"].as_object().unwrap();
    for stage in ["deskew", "preprocess", "infer", "track"] {
        assert_eq!(allocations[stage].as_f64().unwrap(), 0.0, "{stage}: {end:#}");
    }
    // What is larger than all that was in the same memory before lets it grow: pictures as recorded, and a dozen masks a picture.
    // And a note of two distances that contradict one another is put into words the first times.
    assert!(allocations["fuse"].as_f64().unwrap() < 1.0, "{end:#}");
    assert!(allocations["read"].as_f64().unwrap() < 1.0, "{end:#}");
    assert!(allocations["outputs"].as_f64().unwrap() < 3.0, "{end:#}");
}
