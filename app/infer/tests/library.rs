//! Finding the library: the order of search, and what is said of files that are unfit.

use std::fs;
use std::path::{Path, PathBuf};

use ocellus_infer::library::{Library, LibraryError, LocateOptions, OLDEST, Origin, locate};
use ocellus_infer::{InferError, Runtime};

use crate::support::runtime;

fn told(path: &Path) -> Result<Library, LibraryError> {
    locate(&LocateOptions { told: Some(path.to_owned()), ..LocateOptions::default() })
}

/// A file of `bytes` in a folder that lives as long as the first of the pair.
fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("libonnxruntime.so");
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

#[test]
fn the_order_is_told_environment_cache_system() {
    let good = runtime().library().path();
    let folder = good.parent().unwrap().to_owned();
    let nowhere = PathBuf::from("/nonexistent/libonnxruntime.so");
    let options =
        LocateOptions { told: Some(good.to_owned()), environment: Some(nowhere.clone()), ..Default::default() };
    assert_eq!(locate(&options).unwrap().origin(), Origin::Told);
    let options = LocateOptions { environment: Some(folder.clone()), ..Default::default() };
    let found = locate(&options).unwrap();
    assert_eq!((found.origin(), found.path()), (Origin::Environment, good), "a folder will do");
    let empty = tempfile::tempdir().unwrap();
    let options = LocateOptions {
        cache: Some(empty.path().to_owned()),
        system: vec![empty.path().to_owned(), folder],
        ..Default::default()
    };
    assert_eq!(locate(&options).unwrap().origin(), Origin::System);
    // A path that somebody named is never passed over.
    let options = LocateOptions { told: Some(nowhere), environment: Some(good.to_owned()), ..Default::default() };
    let error = locate(&options).unwrap_err();
    assert!(matches!(error, LibraryError::Missing { origin: Origin::Told, .. }), "{error}");
}

#[test]
fn nothing_found_says_where_and_what_to_do() {
    let empty = tempfile::tempdir().unwrap();
    let (_dir, text) = file(b"not a library, but there and named like one, long enough to have a header");
    let options = LocateOptions {
        cache: Some(empty.path().to_owned()),
        system: vec![text.parent().unwrap().to_owned()],
        ..Default::default()
    };
    let error = locate(&options).unwrap_err();
    assert!(error.mended_by_setup());
    let said = error.to_string();
    for part in ["ocellus setup", "1.31.1", "not an ELF file", empty.path().to_str().unwrap()] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[test]
fn another_processor_is_told_before_the_library_is_opened() {
    let mut bytes = fs::read(runtime().library().path()).unwrap();
    let foreign: (u16, &str) = if cfg!(target_arch = "x86_64") { (183, "aarch64") } else { (62, "x86_64") };
    bytes[18..20].copy_from_slice(&foreign.0.to_le_bytes());
    let (_dir, path) = file(&bytes);
    let error = told(&path).unwrap_err();
    let LibraryError::WrongArchitecture { found, wanted, .. } = &error else { panic!("{error}") };
    assert_eq!((found.as_str(), *wanted), (foreign.1, std::env::consts::ARCH));
    assert!(error.to_string().contains("ocellus setup"), "{error}");
}

#[test]
fn a_truncated_library_is_told_and_not_opened() {
    let whole = fs::read(runtime().library().path()).unwrap();
    let (_dir, path) = file(&whole[..whole.len() / 2]);
    let error = told(&path).unwrap_err();
    assert!(matches!(error, LibraryError::Truncated { got, .. } if got == whole.len() as u64 / 2), "{error}");
}

#[test]
fn other_libraries_and_other_files_are_told() {
    let (_dir, empty) = file(b"");
    assert!(matches!(told(&empty), Err(LibraryError::NotALibrary { found, .. }) if found.contains("empty")));
    // A real shared library that is not ONNX Runtime: its companion, which lies beside it.
    let companion = runtime().library().path().with_file_name("libonnxruntime_providers_shared.so");
    if companion.exists() {
        let error = told(&companion).unwrap_err();
        assert!(matches!(error, LibraryError::NoEntryPoint { .. } | LibraryError::Open { .. }), "{error}");
    }
}

#[test]
fn a_library_that_is_too_old_names_both_versions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("libonnxruntime.so.1.17.3");
    let source = dir.path().join("old.c");
    // The first two entries of OrtApiBase (onnxruntime_c_api.h): GetApi, GetVersionString.
    let code = r#"
        static const void *get_api(unsigned v) { (void)v; return 0; }
        static const char *version(void) { return "1.17.3"; }
        static const struct { const void *(*a)(unsigned); const char *(*v)(void); } base = { get_api, version };
        const void *OrtGetApiBase(void) { return &base; }
    "#;
    fs::write(&source, code).unwrap();
    // Where the tests are emulated, the computer's own compiler builds for another processor.
    let compiler = std::env::var_os("OCELLUS_TEST_CC").unwrap_or_else(|| "cc".into());
    let built = std::process::Command::new(compiler).args(["-shared", "-fPIC", "-o"]).arg(&path).arg(&source).status();
    if !built.is_ok_and(|status| status.success()) {
        println!("skipped: no C compiler");
        return;
    }
    let error = told(dir.path()).unwrap_err();
    assert!(matches!(&error, LibraryError::TooOld { found, .. } if found.to_string() == "1.17.3"), "{error}");
    let said = error.to_string();
    assert!(said.contains("1.17.3") && said.contains(&OLDEST.to_string()) && said.contains("ocellus setup"), "{said}");
}

#[test]
fn a_process_runs_one_library() {
    let running = runtime();
    let again = Runtime::start(running.library()).unwrap();
    assert_eq!(again.library().path(), running.library().path());
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("libonnxruntime.so.1");
    fs::copy(running.library().path(), &copy).unwrap();
    let other = told(&copy).unwrap();
    assert_eq!(other.version(), running.library().version());
    let error = Runtime::start(&other).unwrap_err();
    assert!(matches!(&error, InferError::AlreadyStarted { asked, .. } if *asked == copy), "{error}");
}
