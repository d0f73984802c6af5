//! The key of an engine: SHA-256 over everything it depends on, each by its name.

use std::collections::BTreeMap;

use crate::digest::sha256_of_bytes;

/// What an engine depends on, by name: the model's SHA-256, versions, device, options, shapes.
pub type Ingredients = BTreeMap<String, String>;

/// A key and what it was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineKey {
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// What it covers.
    pub ingredients: Ingredients,
}

impl EngineKey {
    /// The key of `ingredients`. Names and values are written with their lengths, so that no two sets are written alike.
    pub fn of(ingredients: Ingredients) -> Self {
        let part = |text: &str| format!("{}:{text}", text.len());
        let written: String =
            ingredients.iter().map(|(name, value)| format!("{}={}\n", part(name), part(value))).collect();
        Self { sha256: sha256_of_bytes(written.as_bytes()), ingredients }
    }

    /// Enough of it for the name of a folder.
    pub fn short(&self) -> &str {
        self.sha256.get(..16).unwrap_or(&self.sha256)
    }
}

/// What differs between the ingredients an engine was made of and those of today, in words; empty where nothing does.
pub fn differences(then: &Ingredients, now: &Ingredients) -> Vec<String> {
    let mut names: Vec<&String> = then.keys().chain(now.keys()).collect();
    names.sort();
    names.dedup();
    let one = |name: &String| match (then.get(name), now.get(name)) {
        (Some(then), Some(now)) if then == now => None,
        (Some(then), Some(now)) => Some(format!("{name} was {then}, is {now}")),
        (Some(then), None) => Some(format!("{name} was {then}, is not there")),
        (None, Some(now)) => Some(format!("{name} was not there, is {now}")),
        (None, None) => None,
    };
    names.into_iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(pairs: &[(&str, &str)]) -> Ingredients {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_ingredient_changes_the_key_and_the_order_does_not() {
        let base = [("model", "abc"), ("onnxruntime", "1.24.1"), ("option fp16", "1")];
        let key = EngineKey::of(made(&base));
        let mut turned = base;
        turned.reverse();
        assert_eq!(EngineKey::of(made(&turned)), key);
        for i in 0..base.len() {
            let mut other = base;
            other[i].1 = "other";
            assert_ne!(EngineKey::of(made(&other)).sha256, key.sha256, "{}", base[i].0);
            assert_ne!(EngineKey::of(made(&base[..i])).sha256, key.sha256);
        }
        // What is cut elsewhere is another set.
        assert_ne!(EngineKey::of(made(&[("a", "b\n1:c=1:d")])), EngineKey::of(made(&[("a", "b"), ("c", "d")])));
        assert_eq!(key.short().len(), 16);
    }

    #[test]
    fn differences_are_named_with_both_values() {
        let then = made(&[("driver", "540.4"), ("model", "abc"), ("gone", "1")]);
        let now = made(&[("driver", "580.1"), ("model", "abc"), ("new", "2")]);
        let told = differences(&then, &now);
        assert_eq!(told, ["driver was 540.4, is 580.1", "gone was 1, is not there", "new was not there, is 2"]);
        assert!(differences(&now, &now).is_empty());
    }
}
