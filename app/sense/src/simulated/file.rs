//! Telling a scenario from the other TOML files, and reading it.

use std::path::Path;

use ocellus_world::Scenario;

use crate::error::SenseError;

/// Sections and keys that a scenario has and a launch file has not.
const SCENARIO_KEYS: [&str; 10] =
    ["duration_s", "rate_hz", "seed", "road", "light", "lens", "scenery", "traffic", "ego", "actor"];
/// Sections that a launch file has.
const LAUNCH_KEYS: [&str; 13] = [
    "source", "model", "runtime", "fusion", "vehicle", "risk", "output", "viewer", "camera", "lidar", "live", "faults",
    "can",
];

/// What a TOML file is, as far as drives are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TomlKind {
    Scenario,
    Launch,
    Other,
}

/// Tells by its top-level keys what a TOML file is; one that is no TOML is an error.
pub(crate) fn toml_kind(path: &Path) -> Result<TomlKind, SenseError> {
    let table: toml::Table = read_text(path)?.parse().map_err(|e: toml::de::Error| SenseError::Format {
        file: path.into(),
        place: e.span().map_or_else(|| "the file".to_owned(), |span| format!("byte {}", span.start)),
        expected: "TOML: a scenario of the simulated world".into(),
        got: e.message().to_owned(),
    })?;
    let any = |keys: &[&str]| keys.iter().any(|key| table.contains_key(*key));
    Ok(match (any(&SCENARIO_KEYS), any(&LAUNCH_KEYS)) {
        (true, _) => TomlKind::Scenario,
        (false, true) => TomlKind::Launch,
        (false, false) => TomlKind::Other,
    })
}

fn read_text(path: &Path) -> Result<String, SenseError> {
    std::fs::read_to_string(path).map_err(SenseError::io(path, "reading the scenario"))
}

/// Reads and checks a scenario.
pub(super) fn scenario(path: &Path) -> Result<Scenario, SenseError> {
    Scenario::parse(&read_text(path)?).map_err(|source| SenseError::Scenario { file: path.into(), source })
}
