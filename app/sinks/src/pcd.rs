//! Sweeps as .pcd files (Point Cloud Data 0.7, binary): x y z in metres, intensity 0 to 1, ring, time in seconds from the stamp.
//!
//! Fields that a sweep has not are left out. The stamp stands in a comment, since the format has no place for it.

use std::io::{self, Write};

use ocellus_percept::cloud::Cloud;
use ocellus_percept::time::Timestamp;

/// Writes `cloud`, stamped `t`, to `out`.
///
/// # Errors
/// What `out` refuses.
pub fn write_pcd(out: &mut impl Write, cloud: &Cloud, t: Timestamp) -> io::Result<()> {
    let points = cloud.len();
    let has = |length: usize| length == points && points > 0;
    let (intensity, ring, time) = (has(cloud.intensity.len()), has(cloud.ring.len()), has(cloud.time_offset_s.len()));
    let optional = [(intensity, "intensity", 4, 'F'), (ring, "ring", 2, 'U'), (time, "time", 4, 'F')];
    let xyz = ["x", "y", "z"].map(|name| (true, name, 4, 'F'));
    let fields: Vec<_> = xyz.into_iter().chain(optional).filter(|(there, ..)| *there).collect();
    let names: Vec<String> = fields.iter().map(|f| f.1.to_owned()).collect();
    let sizes: Vec<String> = fields.iter().map(|f| f.2.to_string()).collect();
    let kinds: Vec<String> = fields.iter().map(|f| f.3.to_string()).collect();
    let counts = vec!["1".to_owned(); fields.len()];
    writeln!(out, "# .PCD v0.7 - Point Cloud Data file format")?;
    writeln!(out, "# stamp {} ns since 1970-01-01 UTC; time in seconds from it", t.as_nanos())?;
    writeln!(out, "VERSION 0.7\nFIELDS {}", names.join(" "))?;
    writeln!(out, "SIZE {}\nTYPE {}", sizes.join(" "), kinds.join(" "))?;
    writeln!(out, "COUNT {}\nWIDTH {points}\nHEIGHT 1", counts.join(" "))?;
    writeln!(out, "VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {points}\nDATA binary")?;
    let mut record = Vec::with_capacity(22);
    for (i, xyz) in cloud.xyz.iter().enumerate() {
        record.clear();
        xyz.iter().for_each(|v| record.extend(v.to_le_bytes()));
        let float = |there: bool, values: &[f32]| values.get(i).filter(|_| there).map(|v| v.to_le_bytes());
        record.extend(float(intensity, &cloud.intensity).into_iter().flatten());
        record.extend(cloud.ring.get(i).filter(|_| ring).into_iter().flat_map(|ring| ring.to_le_bytes()));
        record.extend(float(time, &cloud.time_offset_s).into_iter().flatten());
        out.write_all(&record)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_records_agree() {
        let cloud = Cloud {
            xyz: vec![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
            intensity: vec![0.5, 1.0],
            ring: vec![7, 8],
            time_offset_s: vec![-0.1, 0.0],
            ..Cloud::default()
        };
        let mut bytes = Vec::new();
        write_pcd(&mut bytes, &cloud, Timestamp::from_nanos(5)).unwrap();
        let end = bytes.windows(12).position(|w| w == b"DATA binary\n").unwrap() + 12;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        assert!(head.contains("FIELDS x y z intensity ring time\nSIZE 4 4 4 4 2 4\nTYPE F F F F U F\n"), "{head}");
        assert!(head.contains("WIDTH 2\n") && head.contains("stamp 5 ns"), "{head}");
        let body = &bytes[end..];
        assert_eq!(body.len(), 2 * 22);
        assert_eq!(
            (&body[12..16], &body[16..18], &body[18..22]),
            (&0.5f32.to_le_bytes()[..], &[7, 0][..], &(-0.1f32).to_le_bytes()[..])
        );
        let bare = Cloud { xyz: vec![[0.0; 3]], ..Cloud::default() };
        let mut bytes = Vec::new();
        write_pcd(&mut bytes, &bare, Timestamp::default()).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains("FIELDS x y z\nSIZE 4 4 4\n"));
    }
}
