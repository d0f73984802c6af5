//! What several tests share: the runtime, where networks lie, seeded pictures.

use std::path::PathBuf;
use std::sync::OnceLock;

use ocellus_infer::library::{LocateOptions, ensure};
use ocellus_infer::{Network, Runtime, SessionOptions};

/// The runtime of this test process, from wherever a user's would come.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let library = ensure(&LocateOptions::from_environment(None), &mut |event| eprintln!("{event}")).unwrap();
        eprintln!("ONNX Runtime {} from {} ({})", library.version(), library.path().display(), library.origin());
        Runtime::start(&library).unwrap()
    })
}

/// A network of tests/data/networks.
pub(crate) fn made_here(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/networks")).join(format!("{name}.onnx"))
}

pub(crate) fn load_made_here(name: &str) -> Network {
    Network::load(runtime(), &made_here(name), &SessionOptions::default()).unwrap()
}

/// The folder of real test material; `None`, said aloud, where it is absent.
pub(crate) fn real_data() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no real data");
    None
}

/// Values of 8-bit pictures, 0 to 1 in steps of 1/255, from a linear congruential generator (Numerical Recipes).
pub(crate) fn seeded_pixels(seed: u32, length: usize) -> Vec<f32> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as f32 / 255.0
        })
        .collect()
}
