//! The report for a person: what differs first, then classes, then the first frames. JSON comes from `serde`.

use std::fmt;

use super::{ClassDiff, DiffReport, FrameDiff, FrameKey, Peak};

/// Frames shown; the JSON form has them all.
const FRAMES_SHOWN: usize = 10;

impl fmt::Display for DiffReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_equal() {
            let objects: u64 = self.classes.values().map(|class| class.equal).sum();
            return writeln!(f, "equal: {} frames, {objects} objects", self.frames_a);
        }
        writeln!(f, "different: {} frames in A, {} in B, {} differ", self.frames_a, self.frames_b, self.frames.len())?;
        show_missing(f, "only in A", &self.only_in_a)?;
        show_missing(f, "only in B", &self.only_in_b)?;
        show_classes(f, self)?;
        for frame in self.frames.iter().take(FRAMES_SHOWN) {
            show_frame(f, frame)?;
        }
        if let Some(more @ 1..) = self.frames.len().checked_sub(FRAMES_SHOWN) {
            writeln!(f, "... and {more} more frames")?;
        }
        Ok(())
    }
}

fn show_missing(f: &mut fmt::Formatter<'_>, title: &str, keys: &[FrameKey]) -> fmt::Result {
    match keys {
        [] => Ok(()),
        [only] => writeln!(f, "{title}: {only}"),
        [first, .., last] => writeln!(f, "{title}: {} frames, from {first} to {last}", keys.len()),
    }
}

fn show_classes(f: &mut fmt::Formatter<'_>, report: &DiffReport) -> fmt::Result {
    let width = report.classes.keys().map(|name| name.chars().count()).max().unwrap_or(0).max("class".len());
    writeln!(f, "{:width$} {:>7} {:>7} {:>7} {:>7}   largest change", "class", "equal", "changed", "added", "lost")?;
    for (name, class) in &report.classes {
        let ClassDiff { equal, changed, added, lost, .. } = class;
        writeln!(f, "{name:width$} {equal:>7} {changed:>7} {added:>7} {lost:>7}   {}", Peaks(class))?;
    }
    Ok(())
}

fn show_frame(f: &mut fmt::Formatter<'_>, frame: &FrameDiff) -> fmt::Result {
    write!(f, "{}:", frame.frame)?;
    if let Some(state) = &frame.state {
        write!(f, " state {state};")?;
    }
    if frame.readable_in_one {
        write!(f, " readable in one run alone;")?;
    }
    if frame.changed + frame.added + frame.lost == 0 && frame.state.is_none() && !frame.readable_in_one {
        write!(f, " the same objects in another order;")?;
    }
    writeln!(f, " {} changed, {} added, {} lost", frame.changed, frame.added, frame.lost)?;
    frame.examples.iter().try_for_each(|example| writeln!(f, "    {example}"))
}

impl fmt::Display for FrameKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.trigger.as_str() {
            "tick" => write!(f, "tick at {}", self.t_ns)?,
            _ => write!(f, "{} #{} at {}", self.sensor, self.seq, self.t_ns)?,
        }
        if self.repeat > 0 {
            write!(f, " (again, {})", self.repeat)?;
        }
        Ok(())
    }
}

/// The largest changes of a class on one line.
struct Peaks<'a>(&'a ClassDiff);

impl fmt::Display for Peaks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClassDiff { box_px, score, distance_m, .. } = self.0;
        let shown = [
            show_peak(f, box_px.as_ref(), "box", 2, " px")?,
            show_peak(f, score.as_ref(), "score", 4, "")?,
            show_peak(f, distance_m.as_ref(), "distance", 3, " m")?,
        ];
        if shown.contains(&true) { Ok(()) } else { f.write_str("none") }
    }
}

/// Whether there was a peak to show.
fn show_peak(
    f: &mut fmt::Formatter<'_>,
    peak: Option<&Peak>,
    name: &str,
    places: usize,
    unit: &str,
) -> Result<bool, fmt::Error> {
    let Some(peak) = peak else { return Ok(false) };
    write!(
        f,
        "{name} {:.places$}{unit} (#{} in {} #{})  ",
        peak.change, peak.track, peak.frame.sensor, peak.frame.seq
    )?;
    Ok(true)
}
