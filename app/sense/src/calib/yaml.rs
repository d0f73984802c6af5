//! YAML as a small tree with line numbers, which is all that calibration files need.
//!
//! OpenCV's dialect is taken too: its `%YAML:1.0` header is no YAML, and its `!!opencv-matrix` tags are passed over.

use std::path::Path;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use super::CalibError;
use super::place::Place;

/// A calibration file is a few kilobytes; more is something else.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// No calibration nests deeper.
const DEPTH_MAX: usize = 16;

/// A node and its line, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Nothing.
    Null,
    /// A number, from any spelling Rust or YAML knows.
    Number(f64),
    /// Any other scalar.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in file order.
    Map(Vec<(String, Node)>),
}

impl Value {
    /// For messages.
    fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".into(),
            Self::Number(v) => format!("{v}"),
            Self::Text(t) => format!("{:?}", crate::stamps::clip(t)),
            Self::List(items) => format!("a list of {}", items.len()),
            Self::Map(entries) => {
                format!("keys {}", entries.iter().map(|(k, _)| k.as_str()).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// Reads the text of a file that may be YAML.
pub(crate) fn read_text(path: &Path) -> Result<String, CalibError> {
    let io = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => {
            CalibError::Missing { path: path.into(), expected: "a calibration file".into() }
        }
        _ => CalibError::Io { path: path.into(), source },
    };
    let bytes = std::fs::metadata(path).map_err(io)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(
            Place::file(path).value(format!("at most {FILE_BYTES_MAX} bytes of text"), format!("{bytes} bytes"))
        );
    }
    std::fs::read_to_string(path).map_err(io)
}

/// Parses the first document of `text`.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Node, CalibError> {
    // Directive lines are blanked and not cut, so that line numbers stay.
    let directives = text.lines().take_while(|l| l.starts_with('%') || l.trim().is_empty()).count();
    let body: String =
        text.lines().enumerate().flat_map(|(i, line)| [if i < directives { "" } else { line }, "\n"]).collect();
    let documents = MarkedYaml::load_from_str(&body)
        .map_err(|e| Place::key(path, e.marker().line(), "").value("YAML", e.info().to_owned()))?;
    match documents.first() {
        Some(document) => convert(path, document, DEPTH_MAX),
        None => Err(Place::file(path).value("a YAML document", "nothing")),
    }
}

fn convert(path: &Path, node: &MarkedYaml<'_>, depth: usize) -> Result<Node, CalibError> {
    let line = node.span.start.line();
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Place::key(path, line, "").value(format!("at most {DEPTH_MAX} levels"), "more"));
    };
    let value = match &node.data {
        YamlData::Value(scalar) => scalar_value(scalar),
        YamlData::Sequence(items) => {
            Value::List(items.iter().map(|n| convert(path, n, depth)).collect::<Result<_, _>>()?)
        }
        YamlData::Mapping(entries) => {
            let mut map = Vec::new();
            for (key, value) in entries {
                let key = match convert(path, key, depth)?.value {
                    Value::Text(text) => text,
                    other => other.describe(),
                };
                map.push((key, convert(path, value, depth)?));
            }
            Value::Map(map)
        }
        YamlData::Tagged(_, inner) => return convert(path, inner, depth),
        YamlData::Representation(text, ..) => text_value(text),
        YamlData::Alias(_) | YamlData::BadValue => {
            return Err(
                Place::key(path, line, "").value("a plain value", "an alias or a value that contradicts its tag")
            );
        }
    };
    Ok(Node { line, value })
}

fn scalar_value(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(b) => Value::Text(b.to_string()),
        Scalar::Integer(i) => Value::Number(*i as f64),
        Scalar::FloatingPoint(f) => Value::Number(f.into_inner()),
        Scalar::String(text) => text_value(text),
    }
}

/// OpenCV writes `1.` and `.Nan`, which YAML 1.2 does not take for numbers.
fn text_value(text: &str) -> Value {
    match text.trim_start_matches(['+', '-']) {
        ".Nan" | ".nan" | ".NaN" => Value::Number(f64::NAN),
        ".Inf" | ".inf" => Value::Number(f64::INFINITY),
        digits if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
            text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Number)
        }
        _ => Value::Text(text.to_owned()),
    }
}

/// A mapping with its place, for reading keys out of it.
#[derive(Debug, Clone)]
pub(crate) struct Map<'a> {
    path: &'a Path,
    line: usize,
    /// Keys that lead here, with a trailing point, or empty.
    prefix: String,
    entries: &'a [(String, Node)],
}

impl<'a> Map<'a> {
    /// The whole file.
    pub(crate) fn root(path: &'a Path, node: &'a Node) -> Result<Self, CalibError> {
        match &node.value {
            Value::Map(entries) => Ok(Self { path, line: node.line, prefix: String::new(), entries }),
            other => Err(Place::file(path).value("keys and values", other.describe())),
        }
    }

    /// The file.
    pub(crate) fn path(&self) -> &'a Path {
        self.path
    }

    /// The keys in file order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.entries.iter().map(|(k, _)| k.as_str())
    }

    /// The first of `names` that is there.
    pub(crate) fn get(&self, names: &[&str]) -> Option<(&'a str, &'a Node)> {
        names.iter().find_map(|n| self.entries.iter().find(|(k, _)| k == n)).map(|(k, v)| (k.as_str(), v))
    }

    /// Where a key stands.
    pub(crate) fn place(&self, key: &str) -> Place<'a> {
        let line = self.get(&[key]).map_or(self.line, |(_, n)| n.line);
        Place::key(self.path, line, format!("{}{key}", self.prefix))
    }

    /// The error of a key that is not there.
    pub(crate) fn missing(&self, expected: &str) -> CalibError {
        self.place(expected).value(format!("the key {expected}"), Value::Map(self.entries.to_vec()).describe())
    }

    /// The mapping at `key`.
    pub(crate) fn map(&self, key: &str) -> Result<Option<Map<'a>>, CalibError> {
        match self.get(&[key]) {
            None => Ok(None),
            Some((_, Node { line, value: Value::Map(entries) })) => {
                Ok(Some(Map { path: self.path, line: *line, prefix: format!("{}{key}.", self.prefix), entries }))
            }
            Some((_, node)) => Err(self.place(key).value("keys and values", node.value.describe())),
        }
    }

    /// The number at the first of `names`.
    pub(crate) fn number(&self, names: &[&str]) -> Result<Option<f64>, CalibError> {
        match self.get(names) {
            None => Ok(None),
            Some((_, Node { value: Value::Number(v), .. })) => Ok(Some(*v)),
            Some((key, node)) => Err(self.place(key).value("a number", node.value.describe())),
        }
    }

    /// The text at the first of `names`; a number is taken as its text.
    pub(crate) fn text(&self, names: &[&str]) -> Result<Option<String>, CalibError> {
        match self.get(names) {
            None => Ok(None),
            Some((_, Node { value: Value::Text(text), .. })) => Ok(Some(text.clone())),
            Some((_, Node { value: Value::Number(v), .. })) => Ok(Some(v.to_string())),
            Some((key, node)) => Err(self.place(key).value("a text", node.value.describe())),
        }
    }

    /// The numbers at the first of `names`: a list, a list of rows, or a matrix as ROS and OpenCV write it
    /// (`rows`, `cols`, `data`), row-major. Also the key found.
    pub(crate) fn numbers(&self, names: &[&str]) -> Result<Option<(&'a str, Vec<f64>)>, CalibError> {
        let Some((key, node)) = self.get(names) else { return Ok(None) };
        let mut values = Vec::new();
        let node = match &node.value {
            Value::Map(entries) => entries.iter().find(|(k, _)| k == "data").map_or(node, |(_, data)| data),
            _ => node,
        };
        collect_numbers(node, &mut values).map_err(|bad| self.place(key).value("numbers", bad.value.describe()))?;
        Ok(Some((key, values)))
    }

    /// Exactly `N` numbers at the first of `names`.
    pub(crate) fn array<const N: usize>(&self, names: &[&str]) -> Result<Option<[f64; N]>, CalibError> {
        let Some((key, values)) = self.numbers(names)? else { return Ok(None) };
        let got = values.len();
        values.try_into().map(Some).map_err(|_| self.place(key).value(format!("{N} numbers"), format!("{got}")))
    }

    /// Refuses keys other than `known`.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), CalibError> {
        match self.keys().find(|k| !known.contains(k)) {
            None => Ok(()),
            Some(key) => {
                Err(self.place(key).value(format!("one of the keys {}", known.join(", ")), format!("{key:?}")))
            }
        }
    }
}

fn collect_numbers<'n>(node: &'n Node, out: &mut Vec<f64>) -> Result<(), &'n Node> {
    match &node.value {
        Value::Number(v) => out.push(*v),
        Value::List(items) => items.iter().try_for_each(|i| collect_numbers(i, out))?,
        _ => return Err(node),
    }
    Ok(())
}
