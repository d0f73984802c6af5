//! COCO's JSON as written: ground truth and results, read leniently where files in the wild are sloppy.
//!
//! Whole numbers may be written as `42.0`, `iscrowd` as a boolean, a missing number as `null`; Python's bare `NaN` and
//! `Infinity` are read as `null`. Judging the content belongs to [`super::truth`] and [`super::detections`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// A region as COCO writes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Segmentation {
    /// Outlines x0 y0 x1 y1 ... in pixels, their union meant.
    Polygons(Vec<Vec<f64>>),
    /// Run lengths, column-major, starting with zeros.
    Runs {
        /// Rows, columns.
        size: [u32; 2],
        /// Run lengths.
        counts: Vec<u32>,
    },
    /// Run lengths packed as text.
    Packed {
        /// Rows, columns.
        size: [u32; 2],
        /// Packed run lengths.
        counts: String,
    },
}

#[derive(Deserialize)]
pub(super) struct TruthFile {
    pub(super) images: Vec<ImageEntry>,
    pub(super) annotations: Vec<AnnotationEntry>,
    pub(super) categories: Vec<CategoryEntry>,
}

#[derive(Deserialize)]
pub(super) struct ImageEntry {
    pub(super) id: Id,
    #[serde(default)]
    pub(super) width: Option<f64>,
    #[serde(default)]
    pub(super) height: Option<f64>,
    #[serde(default)]
    pub(super) file_name: Option<String>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct CategoryEntry {
    pub(super) id: Id,
    #[serde(default)]
    pub(super) name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct AnnotationEntry {
    #[serde(default)]
    pub(super) id: Option<Id>,
    pub(super) image_id: Id,
    pub(super) category_id: Id,
    #[serde(default)]
    pub(super) bbox: Option<Vec<Option<f64>>>,
    #[serde(default)]
    pub(super) area: Option<f64>,
    #[serde(default)]
    pub(super) iscrowd: Flag,
    #[serde(default)]
    pub(super) segmentation: Option<Segmentation>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct ResultEntry {
    pub(super) image_id: Id,
    pub(super) category_id: Id,
    #[serde(default)]
    pub(super) bbox: Option<Vec<Option<f64>>>,
    pub(super) score: Option<f64>,
    #[serde(default)]
    pub(super) segmentation: Option<Segmentation>,
}

/// Four finite or NaN numbers from a box as written; `None` where it has another length.
pub(super) fn four(values: &[Option<f64>]) -> Option<[f64; 4]> {
    let [x, y, w, h] = values else { return None };
    Some([x, y, w, h].map(|v| v.unwrap_or(f64::NAN)))
}

/// A box as people read it, after a colon; nothing where there is none.
pub(super) fn written(values: Option<&[Option<f64>]>) -> String {
    let number = |v: &Option<f64>| v.map_or_else(|| "not finite".to_owned(), |v| v.to_string());
    values.map_or_else(String::new, |v| format!(": [{}]", v.iter().map(number).collect::<Vec<_>>().join(", ")))
}

/// A whole number, also where it is written as `42.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(pub(super) i64);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number as an id")
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Id, E> {
                Ok(Id(v))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Id, E> {
                i64::try_from(v).map(Id).map_err(|_| E::custom(format!("the id {v} is too large")))
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Id, E> {
                // 2^53: beyond it a float no longer names one whole number.
                if v.fract() == 0.0 && v.abs() <= 9_007_199_254_740_992.0 {
                    Ok(Id(v as i64))
                } else {
                    Err(E::custom(format!("the id {v} is not a whole number")))
                }
            }
        }
        deserializer.deserialize_any(V)
    }
}

/// 0, 1, true, false or null.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Flag;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("0, 1, true or false")
            }
            fn visit_bool<E: de::Error>(self, v: bool) -> Result<Flag, E> {
                Ok(Flag(v))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Flag, E> {
                Ok(Flag(v != 0))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Flag, E> {
                Ok(Flag(v != 0))
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Flag, E> {
                Ok(Flag(v != 0.0))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Flag, E> {
                Ok(Flag(false))
            }
        }
        deserializer.deserialize_any(V)
    }
}

impl<'de> Deserialize<'de> for Segmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Segmentation;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("polygons or run lengths {size, counts}")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Segmentation, A::Error> {
                let mut polygons = Vec::new();
                while let Some(points) = seq.next_element::<Vec<Option<f64>>>()? {
                    polygons.push(points.into_iter().map(|p| p.unwrap_or(f64::NAN)).collect());
                }
                Ok(Segmentation::Polygons(polygons))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Segmentation, A::Error> {
                let (mut size, mut counts) = (None, None);
                while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                    match key.as_ref() {
                        "size" => size = Some(map.next_value::<[u32; 2]>()?),
                        "counts" => counts = Some(map.next_value::<Counts>()?),
                        _ => drop(map.next_value::<de::IgnoredAny>()?),
                    }
                }
                let size = size.ok_or_else(|| de::Error::missing_field("size"))?;
                match counts.ok_or_else(|| de::Error::missing_field("counts"))? {
                    Counts::Runs(counts) => Ok(Segmentation::Runs { size, counts }),
                    Counts::Packed(counts) => Ok(Segmentation::Packed { size, counts }),
                }
            }
        }
        deserializer.deserialize_any(V)
    }
}

enum Counts {
    Runs(Vec<u32>),
    Packed(String),
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Counts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("run lengths as a list or as packed text")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Counts, E> {
                Ok(Counts::Packed(v.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Counts, A::Error> {
                let mut runs = Vec::new();
                while let Some(run) = seq.next_element::<u32>()? {
                    runs.push(run);
                }
                Ok(Counts::Runs(runs))
            }
        }
        deserializer.deserialize_any(V)
    }
}

/// Python writes NaN and Infinity bare, which is not JSON: outside strings they become `null`.
pub(super) fn without_bare_nan(json: &str) -> Cow<'_, str> {
    if !json.contains("NaN") && !json.contains("Infinity") {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let (mut rest, mut in_string) = (json, false);
    while let Some(c) = rest.chars().next() {
        if !in_string {
            if let Some(word) = ["NaN", "-Infinity", "Infinity", "-NaN"].into_iter().find(|w| rest.starts_with(w)) {
                out.push_str("null");
                rest = &rest[word.len()..];
                continue;
            }
        } else if c == '\\' {
            let end = rest.char_indices().nth(2).map_or(rest.len(), |(i, _)| i);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        in_string ^= c == '"';
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    Cow::Owned(out)
}
