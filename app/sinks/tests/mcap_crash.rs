//! A recording that ends without warning: cut off at any byte, or its process killed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ocellus_percept::time::Timestamp;
use ocellus_sense::{OpenOptions, mcap, open};
use ocellus_sinks::mcap::{At, Compression, McapWriter, topics};

use crate::support::{sweep, write_all};

/// Names the file that the child process writes.
const PATH_VARIABLE: &str = "OCELLUS_TEST_RECORDING";
/// The same, for the process that may not write much.
const LIMITED_VARIABLE: &str = "OCELLUS_TEST_LIMITED_RECORDING";
/// Messages a second that the child writes.
const RATE_HZ: u64 = 100;

#[test]
fn cut_off_at_any_byte_all_that_is_whole_is_used() {
    let dir = tempfile::tempdir().unwrap();
    for compression in [Compression::Zstd, Compression::Lz4, Compression::None] {
        let path = dir.path().join("whole.mcap");
        write_all(&path, 20, compression);
        let whole = std::fs::read(&path).unwrap();
        let cut = dir.path().join("cut.mcap");
        let mut most = 0;
        for length in (0..whole.len()).step_by(1000) {
            std::fs::write(&cut, &whole[..length]).unwrap();
            let Ok((topics, lost)) = mcap::topics(&cut) else {
                assert!(length < 8, "{length} bytes");
                continue;
            };
            assert!(!lost.is_empty(), "{compression:?}: {length} of {} bytes and nothing is said", whole.len());
            let messages = topics.iter().map(|t| t.messages).sum();
            assert!(messages >= most, "{compression:?}: more bytes give {messages} messages after {most}");
            most = messages;
            if let Ok(drive) = open(&cut, &OpenOptions::default()) {
                assert!(!drive.info().lost.is_empty());
                (0..drive.entries().len()).for_each(|i| assert!(drive.read(i).is_ok(), "entry {i} at {length} bytes"));
            }
        }
        let (topics, lost) = mcap::topics(&path).unwrap();
        assert!(lost.is_empty());
        let all: usize = topics.iter().map(|t| t.messages).sum();
        assert!(most > 0 && most <= all, "{most} of {all}");
    }
}

#[test]
fn flipped_bytes_lose_their_chunk_and_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    for compression in [Compression::Zstd, Compression::Lz4, Compression::None] {
        let path = dir.path().join("whole.mcap");
        write_all(&path, 12, compression);
        let whole = std::fs::read(&path).unwrap();
        let broken = dir.path().join("broken.mcap");
        let mut said = 0;
        for at in (8..whole.len()).step_by(whole.len() / 150) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xA5;
            std::fs::write(&broken, &bytes).unwrap();
            let Ok(drive) = open(&broken, &OpenOptions::default()) else { continue };
            said += usize::from(!drive.info().lost.is_empty());
            // A message that was taken reads or says why not; no byte makes it panic.
            (0..drive.entries().len()).for_each(|i| drop(drive.read(i)));
        }
        assert!(said > 50, "{compression:?}: a broken chunk is said: {said}");
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_nanos(since.as_nanos() as i64)
}

/// Not a test of its own: what the killed process does. Without the variable there is nothing to do.
#[test]
fn child_records_until_it_is_killed() {
    let Some(path) = std::env::var_os(PATH_VARIABLE) else { return };
    let mut writer = McapWriter::create(Path::new(&path), Compression::Zstd).unwrap();
    let mut out = std::io::stdout();
    for index in 0.. {
        let t = now();
        writer.points(&topics::points("points"), &At::new(t, "points"), &sweep(index % 50)).unwrap();
        writeln!(out, "written {}", t.as_nanos()).unwrap();
        out.flush().unwrap();
        std::thread::sleep(Duration::from_millis(1000 / RATE_HZ));
    }
}

#[test]
fn after_a_kill_all_but_the_last_second_is_readable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("killed.mcap");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "mcap_crash::child_records_until_it_is_killed", "--nocapture"])
        .env(PATH_VARIABLE, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut written = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((_, stamp)) = line.split_once("written ") else { continue };
        written.push(stamp.parse::<i64>().unwrap());
        // Whatever the machine's load: two and a half seconds of its own time.
        if written[written.len() - 1] - written[0] > 2_500_000_000 {
            break;
        }
    }
    // SIGKILL on Unix.
    child.kill().unwrap();
    child.wait().unwrap();
    let drive = open(&path, &OpenOptions::default()).unwrap();
    assert!(!drive.info().lost.is_empty(), "a killed recording is not whole");
    let last_read = drive.entries().last().unwrap().t.as_nanos();
    let last_written = *written.last().unwrap();
    assert!(last_written - last_read < 1_000_000_000, "{} ms are lost", (last_written - last_read) / 1_000_000);
    let expected = written.iter().filter(|t| **t <= last_read).count();
    assert!(drive.entries().len() >= expected && expected > 5, "{} of {expected}", drive.entries().len());
    (0..drive.entries().len()).for_each(|i| assert!(drive.read(i).is_ok()));
}

/// Not a test of its own: what the process does that may not write more than so many bytes.
#[test]
fn child_records_until_it_may_write_no_more() {
    let Some(path) = std::env::var_os(LIMITED_VARIABLE) else { return };
    let mut writer = McapWriter::create(Path::new(&path), Compression::None).unwrap();
    let refused = (0..10_000).find_map(|index| {
        writer
            .points(&topics::points("points"), &At::new(crate::support::at(index), "points"), &sweep(index % 50))
            .err()
    });
    let text = refused.unwrap().to_string();
    assert!(text.contains("ends there"), "{text}");
    let again = writer.points("/points", &At::new(crate::support::at(0), "points"), &sweep(0)).unwrap_err().to_string();
    assert!(again.contains("has ended after"), "{again}");
    assert!(writer.finish().is_err());
    println!("refused: {text}");
}

#[cfg(unix)]
#[test]
fn a_disk_that_takes_no_more_leaves_whole_chunks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("limited.mcap");
    // 512-byte blocks; the signal is ignored, so that writing fails as on a full disk.
    let script = r#"trap "" XFSZ; ulimit -f 400; exec "$0" --exact mcap_crash::child_records_until_it_may_write_no_more --nocapture"#;
    let child = std::env::current_exe().unwrap();
    let output = Command::new("sh").args(["-c", script]).arg(child).env(LIMITED_VARIABLE, &path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("refused: "), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let drive = open(&path, &OpenOptions::default()).unwrap();
    let lost = &drive.info().lost;
    assert!(lost.len() == 1 && lost[0].contains("no footer"), "cut back to a whole chunk: {lost:?}");
    assert!(drive.entries().len() > 20, "{}", drive.entries().len());
    (0..drive.entries().len()).for_each(|i| assert!(drive.read(i).is_ok()));
    let holds = format!("holds {} messages", drive.entries().len());
    assert!(said.contains(&holds), "{holds} in {said}");
}
