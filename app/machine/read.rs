//! Single values out of small files of Linux.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The text of a file without blanks and NULs at its ends; `None` where it is missing, empty or no text.
pub fn text(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// The number in a file, where it lies in `sane`.
pub fn number(path: &Path, sane: RangeInclusive<i64>) -> Option<i64> {
    text(path)?.parse().ok().filter(|value| sane.contains(value))
}

/// Folders and links to folders in `parent` whose names begin with `prefix`, by the number that follows, then by name.
pub fn folders(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let named = entries.filter_map(|e| {
        let name = e.file_name().into_string().ok()?;
        let rest = name.strip_prefix(prefix)?;
        Some((rest.parse::<u64>().unwrap_or(u64::MAX), name.clone(), e.path()))
    });
    let mut all: Vec<_> = named.filter(|(_, _, path)| path.is_dir()).collect();
    all.sort();
    all.into_iter().map(|(_, _, path)| path).collect()
}

/// The value of `key: value` or `key = value` lines.
pub fn field(text: &str, key: &str) -> Option<String> {
    let split = |line: &str| {
        let (name, value) = line.split_once([':', '='])?;
        (name.trim() == key).then(|| value.trim().to_owned())
    };
    text.lines().find_map(split).filter(|value| !value.is_empty())
}
