//! The keys of `[[lidar]]` that are about packets over UDP, validated.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use ocellus_sense::lidar::ModelName;

use super::live::LidarTable;

/// Largest buffer that may be asked of the kernel, KiB.
const BUFFER_KIB_MAX: usize = 1 << 20;

/// A LiDAR heard over UDP.
#[derive(Debug, Clone, PartialEq)]
pub struct UdpPlan {
    /// Where to listen.
    pub address: SocketAddr,
    /// The sensor's model.
    pub model: ModelName,
    /// An Ouster's metadata.
    pub meta: Option<PathBuf>,
    /// The only sender to be believed.
    pub from: Option<IpAddr>,
    /// A multicast group to join.
    pub group: Option<IpAddr>,
    /// Buffer asked of the kernel, bytes.
    pub buffer_bytes: Option<usize>,
    /// Where turns are cut, degrees.
    pub cut_deg: Option<f64>,
}

impl UdpPlan {
    /// The plan of the `index`-th `[[lidar]]`; `None` where it does not come over UDP.
    pub fn from_table(index: usize, table: &LidarTable) -> Result<Option<Self>> {
        let key = |name: &str| format!("lidar.{index}.{name}");
        let Some(udp) = &table.udp else {
            let of_packets = [("model", table.model.is_some()), ("meta", table.meta.is_some())];
            let others = [("from", table.from.is_some()), ("group", table.group.is_some())];
            let rest = [("buffer_kib", table.buffer_kib.is_some()), ("cut_deg", table.cut_deg.is_some())];
            let given = of_packets.iter().chain(&others).chain(&rest).find(|(_, given)| *given);
            return match given {
                Some((name, _)) => Err(anyhow!("{}: it is about packets: say where they come with udp", key(name))),
                None => Ok(None),
            };
        };
        let address = udp.parse().map_err(|_| {
            anyhow!("{}: expected an address and a port such as 0.0.0.0:2368, got \"{udp}\"", key("udp"))
        })?;
        let model = table
            .model
            .as_deref()
            .ok_or_else(|| anyhow!("{}: expected vlp16, hdl32e, ouster or mid360", key("model")))?;
        let model: ModelName = model.parse().map_err(|e| anyhow!("{}: {e}", key("model")))?;
        if model == ModelName::Ouster && table.meta.is_none() {
            return Err(anyhow!("{}: an Ouster's packets cannot be read without its metadata (JSON)", key("meta")));
        }
        let ip = |name: &str, text: &Option<String>| {
            let parse =
                |t: &String| t.parse().map_err(|_| anyhow!("{}: expected an IP address, got \"{t}\"", key(name)));
            text.as_ref().map(parse).transpose()
        };
        let buffer_bytes = table.buffer_kib.map(|kib| match kib {
            1..=BUFFER_KIB_MAX => Ok(kib << 10),
            _ => Err(anyhow!("{}: expected 1 to {BUFFER_KIB_MAX}, got {kib}", key("buffer_kib"))),
        });
        if let Some(cut) = table.cut_deg.filter(|cut| !(0.0..360.0).contains(cut)) {
            return Err(anyhow!("{}: expected 0 to 360, got {cut}", key("cut_deg")));
        }
        Ok(Some(Self {
            address,
            model,
            meta: table.meta.clone(),
            from: ip("from", &table.from)?,
            group: ip("group", &table.group)?,
            buffer_bytes: buffer_bytes.transpose()?,
            cut_deg: table.cut_deg,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Option<UdpPlan>> {
        UdpPlan::from_table(0, &toml::from_str(text)?)
    }

    #[test]
    fn packets_need_an_address_and_a_model_and_an_ouster_its_metadata() {
        let good = plan("udp = '0.0.0.0:2368'\nmodel = 'vlp16'\nbuffer_kib = 64\ncut_deg = 90").unwrap().unwrap();
        assert_eq!((good.address.port(), good.model, good.buffer_bytes), (2368, ModelName::Vlp16, Some(65_536)));
        assert_eq!(plan("world = 'w.toml'").unwrap(), None);
        for (text, needle) in [
            ("udp = '2368'\nmodel = 'vlp16'", "lidar.0.udp"),
            ("udp = '0.0.0.0:2368'", "lidar.0.model"),
            ("udp = '0.0.0.0:2368'\nmodel = 'vlp17'", "vlp17"),
            ("udp = '0.0.0.0:7502'\nmodel = 'ouster'", "lidar.0.meta"),
            ("udp = '0.0.0.0:2368'\nmodel = 'vlp16'\nfrom = 'there'", "lidar.0.from"),
            ("udp = '0.0.0.0:2368'\nmodel = 'vlp16'\ncut_deg = 360", "lidar.0.cut_deg"),
            ("world = 'w.toml'\nmodel = 'vlp16'", "about packets"),
        ] {
            let error = format!("{:#}", plan(text).unwrap_err());
            assert!(error.contains(needle), "{error}");
        }
    }
}
