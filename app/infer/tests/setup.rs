//! Fetching: two at once wait for each other, what is unfit is replaced, and what cannot be fetched says why.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Barrier, Mutex};

use ocellus_infer::library::{Library, LibraryError, LocateOptions, Origin, SetupEvent, ensure, locate, setup_in};

use crate::support::runtime;

/// The place of the library in the cache folder `cache`.
fn place(cache: &Path) -> PathBuf {
    cache.join("onnxruntime/1.31.1").join(std::env::consts::ARCH).join("libonnxruntime.so.1.31.1")
}

/// Fills a new cache from the library this process runs, so that nothing need be fetched; `None` where that is not
/// the pinned one.
fn filled_cache() -> Option<tempfile::TempDir> {
    let library = runtime().library();
    if library.version() != ocellus_infer::library::PINNED {
        println!("skipped: another version of ONNX Runtime is in use");
        return None;
    }
    let cache = tempfile::tempdir().unwrap();
    let target = place(cache.path());
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::copy(library.path(), target).unwrap();
    Some(cache)
}

#[test]
fn what_is_there_is_not_fetched() {
    let Some(cache) = filled_cache() else { return };
    let mut events = Vec::new();
    let library = setup_in(cache.path(), &mut |event| events.push(event)).unwrap();
    assert_eq!(events, [SetupEvent::Present { path: place(cache.path()) }]);
    assert_eq!((library.origin(), library.path()), (Origin::Cache, place(cache.path()).as_path()));
    let options = LocateOptions { cache: Some(cache.path().to_owned()), ..Default::default() };
    assert_eq!(ensure(&options, &mut |event| panic!("{event}")).unwrap().origin(), Origin::Cache);
}

#[test]
fn a_second_one_waits_while_the_first_holds_the_lock() {
    let Some(cache) = filled_cache() else { return };
    let lock = fs::File::create(cache.path().join("onnxruntime/.lock")).unwrap();
    lock.lock().unwrap();
    let events = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let lock = &lock;
        let events = &events;
        let cache = cache.path();
        let second = scope.spawn(move || {
            setup_in(cache, &mut |event| {
                // The first is done only after the second has said that it waits.
                if matches!(event, SetupEvent::Waiting { .. }) {
                    lock.unlock().unwrap();
                }
                events.lock().unwrap().push(event);
            })
        });
        second.join().unwrap().unwrap();
    });
    let events = events.into_inner().unwrap();
    assert!(matches!(events.as_slice(), [SetupEvent::Waiting { .. }, SetupEvent::Present { .. }]), "{events:?}");
}

/// The one real fetch of a test run: an empty cache, two at once, one download.
#[test]
fn two_at_once_fetch_once() {
    let cache = tempfile::tempdir().unwrap();
    // What a killed process leaves, and half a library in place, are both cleared away.
    let unfinished = cache.path().join("onnxruntime/.fetch-1");
    fs::create_dir_all(&unfinished).unwrap();
    fs::create_dir_all(place(cache.path()).parent().unwrap()).unwrap();
    fs::write(place(cache.path()), b"half a library").unwrap();
    let options = LocateOptions { cache: Some(cache.path().to_owned()), ..Default::default() };
    assert!(locate(&options).unwrap_err().mended_by_setup());

    let events = Mutex::new(Vec::new());
    let start = Barrier::new(2);
    let results: Vec<Result<Library, LibraryError>> = std::thread::scope(|scope| {
        let run = || {
            start.wait();
            ensure(&options, &mut |event| events.lock().unwrap().push(event))
        };
        let both = [scope.spawn(run), scope.spawn(run)];
        both.map(|thread| thread.join().unwrap()).into_iter().collect()
    });
    for result in results {
        assert_eq!(result.unwrap().path(), place(cache.path()));
    }
    let events = events.into_inner().unwrap();
    let count = |matching: fn(&SetupEvent) -> bool| events.iter().filter(|event| matching(event)).count();
    assert_eq!(count(|event| matches!(event, SetupEvent::Fetching { .. })), 1, "{events:?}");
    assert_eq!(count(|event| matches!(event, SetupEvent::Replacing { .. })), 1, "{events:?}");
    assert_eq!(count(|event| matches!(event, SetupEvent::Installed { .. })), 1, "{events:?}");
    assert!(!unfinished.exists());
    let left: Vec<_> =
        fs::read_dir(cache.path().join("onnxruntime")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 2, "the lock and the release: {left:?}");
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cache");
    fs::write(&file, b"a file where a folder should be").unwrap();
    let error = setup_in(&file, &mut |_| ()).unwrap_err();
    assert!(matches!(error, LibraryError::Io { doing: "create", .. }), "{error}");
    assert!(!error.mended_by_setup());
}
