//! The file itself. Each line goes to the operating system whole as soon as it is written, so that a killed run loses
//! none; a line that the disk takes only in part is cut off again, so that what is there stays readable.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ocellus_percept::report::FrameReport;
use thiserror::Error;

use super::line::write_line;

/// Name of the file in a run's folder.
pub const FILE_NAME: &str = "objects.jsonl";

/// Why a line could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The folder or the file cannot be made.
    #[error("cannot create {}: {source}; choose a folder that can be written with --out", path.display())]
    Create {
        /// What was to be made.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The disk is full.
    #[error(
        "the disk is full: {} holds {lines} whole lines, the next could not be written; free some space or choose another disk with --out, then run again",
        path.display()
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// Whole lines in it.
        lines: u64,
    },
    /// Any other failure.
    #[error(
        "cannot write to {}: {source}; it holds {lines} whole lines; see to the disk or choose another with --out, then run again",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// Whole lines in it.
        lines: u64,
        /// The operating system's reason.
        source: io::Error,
    },
    /// An earlier line failed, and a file with a gap must not look whole.
    #[error("{} ended after {lines} lines with an earlier error: nothing more is written to it", path.display())]
    Ended {
        /// The file.
        path: PathBuf,
        /// Whole lines in it.
        lines: u64,
    },
}

/// A file that can be cut back to a length: what the writer needs of its target.
trait Target: Write {
    /// Cuts the file to `length` bytes and goes there.
    fn cut_to(&mut self, length: u64) -> io::Result<()>;
}

impl Target for File {
    fn cut_to(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length)).map(|_| ())
    }
}

/// Whole lines, or nothing of a line.
#[derive(Debug)]
struct Lines<T> {
    target: T,
    path: PathBuf,
    buffer: String,
    bytes: u64,
    lines: u64,
    ended: bool,
}

impl<T: Target> Lines<T> {
    fn new(target: T, path: PathBuf) -> Self {
        Self { target, path, buffer: String::new(), bytes: 0, lines: 0, ended: false }
    }

    fn write(&mut self, report: &FrameReport) -> Result<(), WriteError> {
        if self.ended {
            return Err(WriteError::Ended { path: self.path.clone(), lines: self.lines });
        }
        self.buffer.clear();
        write_line(report, &mut self.buffer);
        if let Err(source) = self.target.write_all(self.buffer.as_bytes()) {
            self.ended = true;
            // Where even this fails the reader still stops at the cut line and names it.
            let _ = self.target.cut_to(self.bytes);
            return Err(self.error(source));
        }
        self.bytes += self.buffer.len() as u64;
        self.lines += 1;
        Ok(())
    }

    fn resume(&mut self) -> Result<(), WriteError> {
        if self.ended {
            self.target.cut_to(self.bytes).map_err(|source| self.error(source))?;
            self.ended = false;
        }
        Ok(())
    }

    fn error(&self, source: io::Error) -> WriteError {
        let (path, lines) = (self.path.clone(), self.lines);
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => WriteError::DiskFull { path, lines },
            _ => WriteError::Write { path, lines, source },
        }
    }
}

/// Writes `objects.jsonl` in a run's folder.
#[derive(Debug)]
pub struct ObjectsWriter {
    lines: Lines<File>,
}

impl ObjectsWriter {
    /// Makes `dir` where it is missing and an empty `objects.jsonl` in it; an old one is replaced.
    pub fn create(dir: &Path) -> Result<Self, WriteError> {
        let path = dir.join(FILE_NAME);
        std::fs::create_dir_all(dir).map_err(|source| WriteError::Create { path: dir.to_path_buf(), source })?;
        let file = File::create(&path).map_err(|source| WriteError::Create { path: path.clone(), source })?;
        Ok(Self { lines: Lines::new(file, path) })
    }

    /// Appends one line. Reports must come in the order in which they are to stand.
    pub fn write(&mut self, report: &FrameReport) -> Result<(), WriteError> {
        self.lines.write(report)
    }

    /// Takes the file up again after a line that failed: for a live run, which counts the lines that are missing.
    pub fn resume(&mut self) -> Result<(), WriteError> {
        self.lines.resume()
    }

    /// Whole lines written so far.
    pub fn lines(&self) -> u64 {
        self.lines.lines
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.lines.path
    }

    /// Sees the lines onto the disk and returns how many there are. Where the file ended early its error came from
    /// [`ObjectsWriter::write`] and is not told again.
    pub fn finish(self) -> Result<u64, WriteError> {
        match self.lines.target.sync_data() {
            // Pipes and devices have nothing to sync.
            Err(source) if source.kind() != io::ErrorKind::InvalidInput && !self.lines.ended => {
                Err(self.lines.error(source))
            }
            _ => Ok(self.lines.lines),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::read_objects;
    use crate::objects::samples::full_report;

    /// A disk with room for `room` bytes.
    struct SmallDisk {
        content: Vec<u8>,
        room: usize,
    }

    impl Write for SmallDisk {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            let fits = data.len().min(self.room - self.content.len());
            if fits == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.content.extend_from_slice(&data[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Target for SmallDisk {
        fn cut_to(&mut self, length: u64) -> io::Result<()> {
            self.content.truncate(usize::try_from(length).unwrap());
            Ok(())
        }
    }

    #[test]
    fn what_is_written_reads_back_and_twice_the_same_gives_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("new/run");
        for _ in 0..2 {
            let mut writer = ObjectsWriter::create(&run).unwrap();
            let mut report = full_report();
            for seq in 0..3 {
                report.seq = Some(seq);
                writer.write(&report).unwrap();
            }
            assert_eq!(writer.finish().unwrap(), 3);
        }
        let read: Vec<_> = read_objects(&run.join(FILE_NAME)).unwrap().map(Result::unwrap).collect();
        assert_eq!(read.iter().map(|r| r.seq.unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
        let mut again = String::new();
        read.iter().for_each(|report| write_line(report, &mut again));
        assert_eq!(
            std::fs::read_to_string(run.join(FILE_NAME)).unwrap(),
            again,
            "writing what was read changes nothing"
        );
    }

    #[test]
    fn a_full_disk_leaves_whole_lines_and_is_named_once() {
        let mut line = String::new();
        write_line(&full_report(), &mut line);
        let disk = SmallDisk { content: Vec::new(), room: line.len() * 2 + 10 };
        let mut lines = Lines::new(disk, PathBuf::from("run/objects.jsonl"));
        lines.write(&full_report()).unwrap();
        lines.write(&full_report()).unwrap();
        let error = lines.write(&full_report()).unwrap_err();
        assert!(matches!(error, WriteError::DiskFull { lines: 2, .. }), "{error}");
        assert!(error.to_string().contains("objects.jsonl"), "{error}");
        assert_eq!(lines.target.content, line.repeat(2).as_bytes());
        assert!(matches!(lines.write(&full_report()).unwrap_err(), WriteError::Ended { lines: 2, .. }));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_real_full_device_is_reported_as_a_full_disk() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", dir.path().join(FILE_NAME)).unwrap();
        let mut writer = ObjectsWriter::create(dir.path()).unwrap();
        assert!(matches!(writer.write(&full_report()).unwrap_err(), WriteError::DiskFull { lines: 0, .. }));
        assert_eq!(writer.finish().unwrap(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = ObjectsWriter::create(&file.join("run")).unwrap_err();
        assert!(matches!(error, WriteError::Create { .. }));
        assert!(error.to_string().contains("--out"), "{error}");
    }
}
