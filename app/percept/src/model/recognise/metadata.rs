//! What an ONNX file's metadata says of a network, as Ultralytics and YOLOv5 write it: Python literals as text.

use std::collections::BTreeMap;

/// The facts found. What is missing or unreadable is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Facts {
    pub(super) classes: Option<Vec<String>>,
    /// (rows, columns).
    pub(super) size: Option<(usize, usize)>,
    pub(super) stride: Option<usize>,
    pub(super) task: Option<String>,
    pub(super) end_to_end: Option<bool>,
    /// Whether Ultralytics' exporter wrote it (YOLOv8 and later).
    pub(super) ultralytics: bool,
}

impl Facts {
    pub(super) fn new(metadata: &BTreeMap<String, String>) -> Self {
        let get = |key: &str| metadata.get(key).map(|v| v.trim());
        Self {
            classes: get("names").and_then(class_names),
            size: get("imgsz").and_then(size),
            stride: get("stride").and_then(|s| integers(s).into_iter().max()),
            task: get("task").map(str::to_ascii_lowercase),
            end_to_end: get("end2end").and_then(|v| v.to_ascii_lowercase().parse().ok()),
            ultralytics: get("author") == Some("Ultralytics"),
        }
    }
}

/// All runs of digits.
fn integers(text: &str) -> Vec<usize> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|run| run.parse().ok()).collect()
}

/// `[rows, columns]` or one number for both.
fn size(text: &str) -> Option<(usize, usize)> {
    match integers(text)[..] {
        [side] if side > 0 => Some((side, side)),
        [rows, columns] if rows > 0 && columns > 0 => Some((rows, columns)),
        _ => None,
    }
}

/// One item of a literal: a string, or the number that a run of digits makes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Text(String),
    Number(usize),
    Colon,
}

/// Class names of `{0: 'person', 1: "driver's"}`, its JSON twin with quoted keys, or a plain list. `None` where the
/// literal is something else or its numbers leave gaps.
fn class_names(text: &str) -> Option<Vec<String>> {
    let tokens = tokens(text)?;
    if !tokens.contains(&Token::Colon) {
        let names = tokens.into_iter().map(|t| if let Token::Text(name) = t { Some(name) } else { None });
        return names.collect::<Option<Vec<_>>>().filter(|names| !names.is_empty());
    }
    let mut by_index = BTreeMap::new();
    for entry in tokens.chunks(3) {
        let (index, name) = match entry {
            [Token::Number(index), Token::Colon, Token::Text(name)] => (*index, name),
            [Token::Text(index), Token::Colon, Token::Text(name)] => (index.parse().ok()?, name),
            _ => return None,
        };
        by_index.insert(index, name.clone());
    }
    let complete = by_index.keys().copied().eq(0..by_index.len());
    complete.then(|| by_index.into_values().collect())
}

/// Splits a literal; `None` at an unfinished string.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut out = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' | '"' => out.push(Token::Text(quoted(&mut rest, c)?)),
            ':' => out.push(Token::Colon),
            '0'..='9' => {
                let mut number = c.to_digit(10)? as usize;
                while let Some(digit) = rest.peek().and_then(|d| d.to_digit(10)) {
                    number = number.checked_mul(10)?.checked_add(digit as usize)?;
                    rest.next();
                }
                out.push(Token::Number(number));
            }
            _ => {}
        }
    }
    Some(out)
}

/// The rest of a string opened by `quote`, its escapes undone.
fn quoted(rest: &mut impl Iterator<Item = char>, quote: char) -> Option<String> {
    let mut text = String::new();
    loop {
        match rest.next()? {
            c if c == quote => return Some(text),
            '\\' => match rest.next()? {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                other => text.push(other),
            },
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Option<Vec<String>> {
        Some(names.iter().map(|&n| n.to_owned()).collect())
    }

    #[test]
    fn names_come_from_python_and_json_literals() {
        assert_eq!(class_names("{0: 'person', 1: 'traffic light'}"), owned(&["person", "traffic light"]));
        assert_eq!(class_names(r#"{1: "driver's", 0: 'a\'b'}"#), owned(&["a'b", "driver's"]));
        assert_eq!(class_names(r#"{"0": "x: 1, y", "1": "{z}"}"#), owned(&["x: 1, y", "{z}"]));
        assert_eq!(class_names("['a', 'b']"), owned(&["a", "b"]));
        assert_eq!(class_names("{0: 'a',}"), owned(&["a"]));
        for bad in ["", "{}", "{0: 'a', 2: 'c'}", "{0: 'a", "{0 'a'}", "{0: 1}", "{'x': 'a'}", "42"] {
            assert_eq!(class_names(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn sizes_are_rows_first() {
        assert_eq!(size("[384, 640]"), Some((384, 640)));
        assert_eq!(size("640"), Some((640, 640)));
        assert_eq!(size("[0, 640]"), None);
        assert_eq!(size("[1, 2, 3]"), None);
    }
}
