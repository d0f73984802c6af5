//! An Ouster's metadata from the sensor itself: `GET http://SENSOR/api/v1/sensor/metadata` of its HTTP API (firmware 2.1 and
//! later), as metadata of a sensor that is reconfigured or exchanged is else that of another.

use std::path::Path;
use std::time::Duration;

use crate::error::SenseError;

/// What metadata lies at, where the address names the sensor alone.
const PAGE: &str = "api/v1/sensor/metadata";
/// A sensor on a vehicle's own network answers in milliseconds; while it starts, in seconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Some hundred times what a sensor says of itself.
const BYTES_MAX: u64 = 4 << 20;

/// The page that `path` means, if it is an address: with its own page, or else the sensor's.
pub(super) fn page(path: &Path) -> Option<String> {
    let address = path.to_str()?;
    let (scheme, rest) = address.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    Some(match rest.split_once('/') {
        None => format!("{address}/{PAGE}"),
        Some((_, "")) => format!("{address}{PAGE}"),
        Some(_) => address.to_owned(),
    })
}

/// The text of that page. `path` is how the sensor was named.
pub(super) fn fetch(path: &Path, page: &str) -> Result<String, SenseError> {
    let wrong = |got: String| {
        SenseError::Format {
        file: path.into(),
        place: format!("GET {page}"),
        expected: "the sensor's metadata (is it on, started, and in this network? its firmware 2.1 or later? a saved file will do)"
            .to_owned(),
        got,
    }
    };
    let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).proxy(None);
    let agent: ureq::Agent = config.build().into();
    let mut answer = agent.get(page).call().map_err(|e| wrong(e.to_string()))?;
    if !answer.status().is_success() {
        return Err(wrong(format!("HTTP status {}", answer.status())));
    }
    answer.body_mut().with_config().limit(BYTES_MAX).read_to_string().map_err(|e| wrong(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_a_file_and_given_its_page() {
        let page = |path: &str| super::page(Path::new(path));
        for sensor in ["http://os-1.local", "http://os-1.local/"] {
            assert_eq!(page(sensor).as_deref(), Some("http://os-1.local/api/v1/sensor/metadata"));
        }
        let own = "http://127.0.0.1:8080/saved/os1.json";
        assert_eq!(page(own).as_deref(), Some(own));
        assert_eq!((page("os1.json"), page("/data/os1.json"), page("file:///os1.json")), (None, None, None));
    }
}
