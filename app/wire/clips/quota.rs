//! Room for event clips: where they take more than allowed, those of least risk are removed first, of those the oldest.
//!
//! Only files that are named like clips are looked at and removed; what else lies in the folder is somebody else's.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Risks as clips' names have them, the least first.
const RISKS: [&str; 4] = ["clear", "watch", "warn", "critical"];

/// A clip by its name.
struct Clip {
    path: PathBuf,
    /// Index into [`RISKS`], and the time as its name has it: fixed in width, so that text sorts like time.
    rank: (usize, String),
    bytes: u64,
}

/// Removes clips of `dir` until the rest takes at most `quota_bytes`; never `newest`. What was removed.
pub fn make_room(dir: &Path, quota_bytes: u64, newest: &Path) -> Result<Vec<PathBuf>> {
    let mut clips = clips_in(dir)?;
    clips.sort_by(|a, b| a.rank.cmp(&b.rank).then_with(|| a.path.cmp(&b.path)));
    let mut total: u64 = clips.iter().map(|clip| clip.bytes).sum();
    let mut removed = Vec::new();
    for clip in clips.into_iter().filter(|clip| clip.path != newest) {
        if total <= quota_bytes {
            break;
        }
        std::fs::remove_file(&clip.path).with_context(|| format!("{}: removing a clip", clip.path.display()))?;
        total -= clip.bytes;
        removed.push(clip.path);
    }
    Ok(removed)
}

fn clips_in(dir: &Path) -> Result<Vec<Clip>> {
    let mut clips = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry.with_context(|| dir.display().to_string())?;
        if let Some(rank) = entry.file_name().to_str().and_then(rank) {
            let bytes = entry.metadata().with_context(|| entry.path().display().to_string())?.len();
            clips.push(Clip { path: entry.path(), rank, bytes });
        }
    }
    Ok(clips)
}

/// Risk and time of a clip's name; `None` of a file that is no clip.
fn rank(name: &str) -> Option<(usize, String)> {
    let (time, rest) = name.strip_prefix("event_")?.strip_suffix(".mcap")?.split_once('_')?;
    let (risk, _) = rest.split_once('_')?;
    Some((RISKS.iter().position(|known| *known == risk)?, time.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_risk_goes_first_of_those_the_oldest_and_nothing_else_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "event_0000000300.000_warn_car-3.mcap",
            "event_0000000100.000_critical_car-1.mcap",
            "event_0000000200.000_warn_car-2.mcap",
            "event_0000000400.000_warn_car-4.mcap",
            "holiday.mcap",
            "event_0000000500.000_warn_car-5.mcap.part",
        ];
        for name in names {
            std::fs::write(folder.path().join(name), [0; 100]).unwrap();
        }
        let newest = folder.path().join(names[3]);
        let remove = |quota: u64| -> Vec<String> {
            let removed = make_room(folder.path(), quota, &newest).unwrap();
            removed.iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(remove(400), [""; 0], "just enough");
        assert_eq!(remove(300), [names[2]]);
        assert_eq!(remove(1), [names[0], names[1]], "all but the newest");
        assert!(names[3..].iter().all(|name| folder.path().join(name).exists()));
    }
}
