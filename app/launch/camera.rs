//! The keys of `[[camera]]` that are about a real camera, validated.

use anyhow::{Result, anyhow};
use ocellus_sense::camera::CameraOptions;

use super::live::{CameraTable, number};

/// Rates that a camera may be asked for: a frame in ten seconds to the fastest there are.
const HZ: (f64, f64) = (0.1, 1000.0);

/// The camera that the `index`-th `[[camera]]` names; `None` where it names none.
pub fn from_table(index: usize, table: &CameraTable) -> Result<Option<CameraOptions>> {
    let key = |name: &str| format!("camera.{index}.{name}");
    let Some(device) = &table.device else {
        return match table.format {
            Some(_) => Err(anyhow!("{}: it is about a real camera: say which one with device", key("format"))),
            None => Ok(None),
        };
    };
    let simulated = [("seed", table.seed.is_some()), ("seconds", table.seconds.is_some())];
    let others = [("world", table.world.is_some()), ("drive", table.drive.is_some())];
    let rest = [("sensor", table.sensor.is_some())];
    if let Some((name, _)) = simulated.iter().chain(&others).chain(&rest).find(|(_, given)| *given) {
        return Err(anyhow!("{}: a real camera has no {name}: leave out one of {name} and device", key(name)));
    }
    if let Some([width, height]) = table.size.filter(|[width, height]| *width == 0 || *height == 0) {
        return Err(anyhow!("{}: expected columns and rows, got [{width}, {height}]", key("size")));
    }
    let format = table.format.as_deref().map(str::parse).transpose().map_err(|e| anyhow!("{}: {e}", key("format")))?;
    let hz = table.hz.map(|hz| number(&key("hz"), Some(hz), hz, HZ)).transpose()?;
    Ok(Some(CameraOptions { device: device.clone(), format, size: table.size.map(|[w, h]| (w, h)), hz }))
}

#[cfg(test)]
mod tests {
    use ocellus_sense::camera::PictureFormat;

    use super::*;

    fn plan(text: &str) -> Result<Option<CameraOptions>> {
        from_table(0, &toml::from_str(text)?)
    }

    #[test]
    fn a_real_camera_is_named_by_device_and_has_nothing_of_a_simulated_one() {
        let all = plan("device = 'Wide Eye'\nformat = 'uyvy'\nsize = [640, 480]\nhz = 30").unwrap().unwrap();
        assert_eq!((all.device.as_str(), all.format), ("Wide Eye", Some(PictureFormat::Uyvy)));
        assert_eq!((all.size, all.hz), (Some((640, 480)), Some(30.0)));
        assert_eq!(plan("world = 'w.toml'").unwrap(), None);
        for (text, needle) in [
            ("world = 'w.toml'\nformat = 'yuyv'", "camera.0.format"),
            ("device = '0'\nworld = 'w.toml'", "camera.0.world"),
            ("device = '0'\nseed = 7", "camera.0.seed"),
            ("device = '0'\nsensor = 'left'", "camera.0.sensor"),
            ("device = '0'\nformat = 'h264'", "h264"),
            ("device = '0'\nsize = [640, 0]", "[640, 0]"),
            ("device = '0'\nhz = 0", "camera.0.hz"),
        ] {
            let error = format!("{:#}", plan(text).unwrap_err());
            assert!(error.contains(needle), "{error}");
        }
    }
}
