//! The folder of engines: what counts as one, what is set aside and why, one writer, the quota.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ocellus_infer::engine::{EngineKey, EngineManifest, Entry, Found, Store, StoreError};

fn key(model: &str, version: &str) -> EngineKey {
    let pairs = [("model", model), ("onnxruntime", version)];
    EngineKey::of(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>())
}

/// A finished engine of `bytes` for `key`.
fn engine(store: &Store, key: &EngineKey, bytes: usize) -> Entry {
    let entry = store.entry("net.onnx", "openvino", key);
    store.make(&entry).unwrap();
    fs::write(entry.engine().join("one.blob"), vec![7u8; bytes]).unwrap();
    let files = EngineManifest::of_folder(&entry.engine()).unwrap();
    EngineManifest::new("net.onnx", "openvino", key, files).write(&entry.folder).unwrap();
    entry
}

fn why(entry: &Entry, key: &EngineKey) -> String {
    match entry.look(key) {
        Found::Unfit(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_finished_engine_counts_and_anything_else_is_unfit_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path());
    let key = key("abc", "1.24.1");
    let absent = store.entry("net.onnx", "openvino", &key);
    assert!(matches!(absent.look(&key), Found::Nothing));
    let entry = engine(&store, &key, 1000);
    let Found::Engine(manifest) = entry.look(&key) else { panic!("it is whole") };
    assert_eq!((manifest.files.len(), manifest.files[0].bytes), (1, 1000));

    let blob = entry.engine().join("one.blob");
    fs::write(&blob, vec![7u8; 400]).unwrap();
    assert!(why(&entry, &key).contains("expected 1000 bytes, got 400"));
    let mut other = vec![7u8; 1000];
    other[500] = 8;
    fs::write(&blob, other).unwrap();
    assert!(why(&entry, &key).contains("sha256 expected"));
    fs::remove_file(&blob).unwrap();
    assert!(why(&entry, &key).contains("cannot read"));
    // Broken off before the manifest.
    fs::remove_file(entry.folder.join("manifest.json")).unwrap();
    assert!(why(&entry, &key).contains("never finished"));
    fs::write(entry.folder.join("manifest.json"), "{\"schema\": 1").unwrap();
    assert!(why(&entry, &key).contains("no engine manifest"));

    let place = store.set_aside(&entry, "it was cut short").unwrap();
    assert!(matches!(entry.look(&key), Found::Nothing));
    assert!(place.starts_with(folder.path().join("aside")));
    assert_eq!(fs::read_to_string(place.join("why.txt")).unwrap(), "it was cut short\n");
    let entry = engine(&store, &key, 10);
    assert_ne!(store.set_aside(&entry, "again").unwrap(), place);
}

#[test]
fn another_models_engine_or_another_users_is_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path());
    let (then, now) = (key("abc", "1.23.2"), key("abd", "1.24.1"));
    let entry = engine(&store, &then, 10);
    // As if the folder of one were renamed to the other's.
    let told = why(&entry, &now);
    assert!(told.contains("model was abc, is abd") && told.contains("onnxruntime was 1.23.2, is 1.24.1"), "{told}");
    let why_not = store.why_another("net.onnx", "openvino", &now).unwrap();
    assert!(why_not.contains("model was abc"), "{why_not}");
    assert_eq!(store.why_another("other.onnx", "openvino", &now), None);
    // Only root may give files away.
    if std::os::unix::fs::chown(&entry.folder, Some(12345), None).is_ok() {
        assert!(why(&entry, &then).contains("another user (uid 12345)"));
    }
}

#[test]
fn one_writer_at_a_time_and_the_other_is_told_who() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(&folder.path().join("deep/er"));
    let lock = store.lock().unwrap();
    let error = store.lock().unwrap_err();
    let StoreError::Busy { holder, .. } = &error else { panic!("{error}") };
    assert_eq!(*holder, format!("process {}", std::process::id()));
    drop(lock);
    store.lock().unwrap();
}

#[test]
fn a_cache_that_cannot_be_written_says_where_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for root in [file.join("engines"), Path::new("/proc/engines").to_owned(), file] {
        let error = Store::at(&root).lock().unwrap_err().to_string();
        assert!(error.contains("cannot") && error.contains("engines.cache"), "{error}");
    }
    // A device that is always full stands for a full disk.
    let full = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", full.path().join("lock")).unwrap();
    let error = Store::at(full.path()).lock().unwrap_err().to_string();
    assert!(error.contains("No space left") || error.contains("cannot write"), "{error}");
}

#[test]
fn the_quota_takes_what_was_set_aside_first_then_the_oldest_and_never_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path());
    let keys: Vec<EngineKey> = (0..4).map(|i| key(&i.to_string(), "1")).collect();
    let entries: Vec<Entry> = keys.iter().map(|key| engine(&store, key, 100_000)).collect();
    for (i, entry) in entries.iter().enumerate() {
        let time = SystemTime::now() - Duration::from_secs(1000 - 100 * i as u64);
        let manifest = fs::File::options().append(true).open(entry.folder.join("manifest.json")).unwrap();
        manifest.set_modified(time).unwrap();
    }
    store.set_aside(&entries[3], "test").unwrap();
    assert!(store.prune(10_000_000, &[]).unwrap().is_empty());
    // Room for two and a half: what is aside goes, and the oldest that is not kept.
    let pruned = store.prune(250_000, &entries[..1]).unwrap();
    let name = |entry: &Entry| entry.folder.file_name().unwrap().to_string_lossy().into_owned();
    let names: Vec<&str> = pruned.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, [format!("{}-1", name(&entries[3])), name(&entries[1])]);
    assert!(pruned.iter().all(|p| p.bytes > 100_000));
    assert!(entries[0].folder.exists() && entries[2].folder.exists());
    // Used now, it is no longer the oldest.
    entries[0].touch();
    let pruned = store.prune(150_000, &[]).unwrap();
    assert_eq!(pruned[0].name, name(&entries[2]));
}
