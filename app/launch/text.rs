//! Text work of launch files: errors that name the nearest known key, and `--set a.b=c`.

use anyhow::{Result, anyhow, bail};

/// Similarity from which a known key is offered for an unknown one; below it a guess would mislead.
const SIMILAR_MIN: f64 = 0.6;

/// A TOML error with the nearest known key where the key is unknown.
pub fn explain(error: &toml::de::Error) -> anyhow::Error {
    let message = error.to_string();
    match nearest_known(error.message()) {
        Some(nearest) => anyhow!("{}; did you mean `{nearest}`?", message.trim_end()),
        None => anyhow!("{}", message.trim_end()),
    }
}

/// Of serde's "unknown field `x`, expected one of `a`, `b`" the expected name nearest to `x`.
fn nearest_known(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return None;
    }
    let unknown = quoted.next()?;
    let scored = quoted.map(|known| (strsim::jaro_winkler(unknown, known), known));
    let (score, known) = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (score >= SIMILAR_MIN).then(|| known.to_owned())
}

/// Applies one `a.b.c=value` to `table`; an element of an array is named by its index. The value is TOML, or text where
/// it is none.
pub fn set(table: &mut toml::Table, assignment: &str) -> Result<()> {
    let (path, text) = assignment.split_once('=').ok_or_else(|| anyhow!("expected key.path=value, got no `=`"))?;
    let value = parse_value(text);
    let mut keys: Vec<&str> = path.trim().split('.').collect();
    let Some(last) = keys.pop().filter(|k| !k.is_empty()) else { bail!("expected key.path=value, got an empty key") };
    let mut place = table;
    let mut keys = keys.into_iter();
    while let Some(key) = keys.next() {
        let entry = place.entry(key).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        place = match entry {
            toml::Value::Table(inner) => inner,
            toml::Value::Array(items) => element(key, items, keys.next())?,
            other => bail!("`{key}` is a {}, not a table", other.type_str()),
        };
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

fn element<'a>(key: &str, items: &'a mut [toml::Value], index: Option<&str>) -> Result<&'a mut toml::Table> {
    let n = items.len();
    let index = index.and_then(|i| i.parse::<usize>().ok());
    match index.and_then(|i| items.get_mut(i)) {
        Some(toml::Value::Table(table)) => Ok(table),
        _ => bail!("`{key}` has {n} element(s): name one by its index, `{key}.0.<key>`"),
    }
}

fn parse_value(text: &str) -> toml::Value {
    let parsed = toml::from_str::<toml::Table>(&format!("v = {text}")).ok().and_then(|mut t| t.remove("v"));
    parsed.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}
