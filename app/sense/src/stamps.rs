//! Time stamps as text: parsing, and what to do where they do not run forward.
//!
//! Three forms, told apart line by line: `YYYY-mm-dd HH:MM:SS.fffffffff` (KITTI, taken as UTC), a whole number of
//! nanoseconds, and decimal seconds (with a point). All are exact to the nanosecond: no number passes through a float.

use std::path::Path;

use ocellus_percept::time::Timestamp;

use crate::drive::TimeSource;
use crate::error::SenseError;

/// Nanoseconds in a second.
const NS_PER_S: i64 = 1_000_000_000;

/// The step between frames of a recording without stamps: 10 Hz, the usual rate of a LiDAR.
const INDEX_STEP_NS: i64 = 100_000_000;

/// Times of a recording without stamps.
pub(crate) const INDEXED: TimeSource = TimeSource::Indexed { step_ns: INDEX_STEP_NS };

/// The stamp of frame `index` of a recording without stamps.
pub(crate) fn stamp_by_index(index: usize) -> Timestamp {
    Timestamp::from_nanos(i64::try_from(index).unwrap_or(i64::MAX).saturating_mul(INDEX_STEP_NS))
}

/// What to do with stamps of one sensor that run backwards or repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StampPolicy {
    /// Refuse the drive, naming the line: a replay of it would mean something else than what was recorded.
    #[default]
    Refuse,
    /// Put the frames into the order of their stamps, frames with equal stamps in the order of their numbers, and say so.
    Sort,
}

/// Reads a stamp file: one stamp per line, blank lines only at the end.
pub(crate) fn read_stamps(file: &Path) -> Result<Vec<Timestamp>, SenseError> {
    let text = std::fs::read_to_string(file).map_err(SenseError::io(file, "reading the time stamps"))?;
    let text = text.trim_end();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.lines()
        .enumerate()
        .map(|(i, line)| {
            parse_stamp(line.trim()).ok_or_else(|| SenseError::Stamps {
                file: file.to_path_buf(),
                line: i + 1,
                expected: "a stamp (YYYY-mm-dd HH:MM:SS.fffffffff, whole nanoseconds, or seconds with a point)".into(),
                got: if line.trim().is_empty() { "a blank line".into() } else { format!("{:?}", clip(line)) },
            })
        })
        .collect()
}

/// A piece of text short enough for a message.
pub(crate) fn clip(text: &str) -> &str {
    const SHOWN_CHARS: usize = 60;
    text.char_indices().nth(SHOWN_CHARS).map_or(text, |(end, _)| &text[..end])
}

/// One stamp in any of the three forms.
pub(crate) fn parse_stamp(text: &str) -> Option<Timestamp> {
    if let Some((date, time)) = text.split_once([' ', 'T']) {
        return parse_date_time(date, time.trim_end_matches('Z'));
    }
    if text.contains('.') {
        return parse_seconds(text).map(Timestamp::from_nanos);
    }
    text.parse().ok().map(Timestamp::from_nanos)
}

/// Decimal seconds to nanoseconds; digits beyond the ninth are cut.
fn parse_seconds(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let seconds = parse_digits(whole)?;
    let ns = seconds.checked_mul(NS_PER_S)?.checked_add(parse_fraction(fraction)?)?;
    Some(if negative { -ns } else { ns })
}

/// Digits and nothing else (`parse` alone would take a sign).
fn parse_digits(text: &str) -> Option<i64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The digits after the point, as nanoseconds.
fn parse_fraction(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    parse_digits(text.get(..text.len().min(9))?)
        .filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
        .map(|v| v * 10_i64.pow(9 - text.len().min(9) as u32))
}

fn parse_date_time(date: &str, time: &str) -> Option<Timestamp> {
    let mut date = date.split('-').map(parse_digits);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut clock = time.splitn(3, ':');
    let (hour, minute) = (parse_digits(clock.next()?)?, parse_digits(clock.next()?)?);
    let second_ns = parse_seconds(clock.next()?)?;
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (1970..=2261).contains(&year)
        && hour < 24
        && minute < 60
        && (0..=60 * NS_PER_S).contains(&second_ns);
    if !in_range || date.next().is_some() {
        return None;
    }
    let seconds = days_from_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60;
    seconds.checked_mul(NS_PER_S)?.checked_add(second_ns).map(Timestamp::from_nanos)
}

/// Days from 1970-01-01 in the Gregorian calendar (H. Hinnant, `days_from_civil`).
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Checks that the stamps of one sensor, in the order recorded, run forward. `lines[i]` is where stamp `i` stands in
/// `file`. Under [`StampPolicy::Sort`] the fault is returned as a note.
pub(crate) fn check_order(
    file: &Path,
    stamps: &[(usize, Timestamp)],
    policy: StampPolicy,
) -> Result<Option<String>, SenseError> {
    let mut backwards = 0;
    let mut repeated = 0;
    let mut first_fault = None;
    for pair in stamps.windows(2) {
        let [(_, before), (line, now)] = pair else { continue };
        if now > before {
            continue;
        }
        if now == before {
            repeated += 1;
        } else {
            backwards += 1;
        }
        first_fault.get_or_insert((*line, *before, *now));
    }
    let Some((line, before, now)) = first_fault else { return Ok(None) };
    match policy {
        StampPolicy::Refuse => Err(SenseError::Stamps {
            file: file.to_path_buf(),
            line,
            expected: format!(
                "a stamp after the line before's {} ns (mend the file, or replay with --sort-stamps)",
                before.as_nanos()
            ),
            got: format!("{} ns ({backwards} stamps run backwards, {repeated} repeat)", now.as_nanos()),
        }),
        StampPolicy::Sort => Ok(Some(format!(
            "{}: {backwards} stamps run backwards and {repeated} repeat, first at line {line}: frames are taken in the \
             order of their stamps, equal stamps in the order of their numbers",
            file.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ns(text: &str) -> Option<i64> {
        parse_stamp(text).map(Timestamp::as_nanos)
    }

    #[test]
    fn the_three_forms_are_exact() {
        assert_eq!(ns("2011-09-26 13:02:25.961661696"), Some(1_317_042_145_961_661_696));
        assert_eq!(ns("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(ns("2000-02-29 23:59:59.5"), Some(951_868_799_500_000_000));
        assert_eq!(ns("1317042145961661696"), Some(1_317_042_145_961_661_696));
        assert_eq!(ns("1317042145.9616616961"), Some(1_317_042_145_961_661_696));
        assert_eq!(ns("0.1"), Some(100_000_000));
        assert_eq!(ns("-1.5"), Some(-1_500_000_000));
    }

    #[test]
    fn what_is_no_stamp_is_none() {
        for text in ["", "x", "2011-13-01 00:00:00", "2011-01-01 25:00:00", "1.5e9", "1.-5", "nan", "12 13", "1.2.3"] {
            assert_eq!(ns(text), None, "{text:?}");
        }
        assert_eq!(ns("99999999999999999999"), None, "beyond 64 bits");
        assert_eq!(ns("99999999999999.0"), None, "beyond 64 bits");
    }

    #[test]
    fn disorder_is_refused_with_its_line_or_noted() {
        let at = |v: &[i64]| v.iter().enumerate().map(|(i, &t)| (i + 1, Timestamp::from_nanos(t))).collect::<Vec<_>>();
        let file = Path::new("timestamps.txt");
        assert!(check_order(file, &at(&[1, 2, 3]), StampPolicy::Refuse).unwrap().is_none());
        let error = check_order(file, &at(&[1, 3, 2, 2]), StampPolicy::Refuse).unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("1 stamps run backwards, 1 repeat"), "{error}");
        let note = check_order(file, &at(&[1, 3, 2, 2]), StampPolicy::Sort).unwrap().unwrap();
        assert!(note.contains("first at line 3"), "{note}");
    }
}
