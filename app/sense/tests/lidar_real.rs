//! Recorded packets of real LiDARs against what independent decoders made of them.

use std::path::Path;
use std::sync::Arc;

use md5::{Digest, Md5};
use ocellus_percept::cloud::Cloud;
use ocellus_sense::lidar::{Extent, OusterMetadata, OusterPacket};
use ocellus_sense::{Drive, OpenOptions, Payload, open};
use serde_json::Value;

use crate::support::{hex, real_data};

/// Payloads of the datagrams to `port`, none of them in fragments: an own, simple reader.
fn payloads(pcap: &Path, port: u16) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(pcap).unwrap();
    let mut at = 24;
    let mut found = Vec::new();
    while at < bytes.len() {
        let kept = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
        let frame = &bytes[at + 16..at + 16 + kept];
        if u16::from_be_bytes([frame[36], frame[37]]) == port {
            found.push(frame[42..].to_vec());
        }
        at += 16 + kept;
    }
    found
}

/// One hash of a field over all packets, rows before columns within each; and of all packets as one picture.
fn hashes<'a, const N: usize>(
    packets: &[OusterPacket<'a>],
    value: impl Fn(&OusterPacket<'a>, usize, usize) -> [u8; N],
    rows: usize,
) -> (String, String) {
    let (mut by_packet, mut whole) = (Md5::new(), Md5::new());
    for packet in packets {
        (0..rows).for_each(|r| (0..16).for_each(|c| by_packet.update(value(packet, r, c))));
    }
    for r in 0..rows {
        packets.iter().for_each(|packet| (0..16).for_each(|c| whole.update(value(packet, r, c))));
    }
    (hex(by_packet), hex(whole))
}

#[test]
fn ousters_fields_have_the_reference_digests() {
    let Some(folder) = real_data("recordings/ouster") else { return };
    for name in ["OS-0-128-U1_v2.3.0_1024x10", "OS-1-32-G_v2.1.1_1024x10", "OS-2-32-U0_v2.0.0_1024x10"] {
        let metadata = OusterMetadata::read(&folder.join(format!("{name}.json"))).unwrap();
        let text = std::fs::read_to_string(folder.join(format!("{name}_digest.json"))).unwrap();
        let digest: Value = serde_json::from_str(&text).unwrap();
        let bytes = payloads(&folder.join(format!("{name}.pcap")), 7502);
        let packets: Vec<_> = bytes.iter().map(|b| OusterPacket::parse(b, &metadata).unwrap()).collect();
        assert_eq!(packets.len(), 64);
        let pixel = |p: &OusterPacket<'_>, r: usize, c: usize| -> Vec<u8> {
            p.column(c).pixels().nth(r).unwrap().bytes().to_vec()
        };
        let profile = &metadata.profile;
        let rows = metadata.rows();
        let header = |value: &dyn Fn(&OusterPacket<'_>, usize) -> Vec<u8>| {
            let mut hash = Md5::new();
            packets.iter().for_each(|p| (0..16).for_each(|c| hash.update(value(p, c))));
            hex(hash)
        };
        let mut seen = 0;
        let mut check = |field: &str, (by_packet, whole): (String, String)| {
            for (place, got) in [(&digest["packet_hash"], by_packet), (&digest["scans"][0], whole)] {
                if let Some(expected) = place[field].as_str() {
                    assert_eq!(expected, got, "{name}: {field}");
                    seen += 1;
                }
            }
        };
        let of = |p: &OusterPacket<'_>, r, c| pixel(p, r, c);
        check(
            "RANGE",
            hashes(&packets, |p, r, c| profile.pixel(&of(p, r, c)).range_and_reflectivity(0).0.to_le_bytes(), rows),
        );
        check(
            "REFLECTIVITY",
            hashes(&packets, |p, r, c| [profile.pixel(&of(p, r, c)).range_and_reflectivity(0).1], rows),
        );
        check(
            "NEAR_IR",
            hashes(&packets, |p, r, c| profile.pixel(&of(p, r, c)).near_ir().unwrap().to_le_bytes(), rows),
        );
        check("FLAGS", hashes(&packets, |p, r, c| [profile.pixel(&of(p, r, c)).flags()], rows));
        check("RAW32_WORD1", hashes(&packets, |p, r, c| <[u8; 4]>::try_from(&of(p, r, c)[..4]).unwrap(), rows));
        if profile.pixel(&[0; 16]).signal().is_some() {
            check(
                "SIGNAL",
                hashes(&packets, |p, r, c| profile.pixel(&of(p, r, c)).signal().unwrap().to_le_bytes(), rows),
            );
        }
        let twice = |hash: String| (hash.clone(), hash);
        check("TIMESTAMP", twice(header(&|p, c| p.column(c).timestamp_ns().to_le_bytes().to_vec())));
        let measurement = |p: &OusterPacket<'_>, c| (p.column(c).measurement_id() as u16).to_le_bytes().to_vec();
        check("MEASUREMENT_ID", twice(header(&measurement)));
        // The digests hash a frame number a column, where only the legacy format has one; zeros elsewhere.
        let frame_id = |p: &OusterPacket<'_>, _| if profile.legacy { p.frame_id() as u16 } else { 0 };
        assert_eq!(digest["packet_hash"]["FRAME_ID"], header(&|p, c| frame_id(p, c).to_le_bytes().to_vec()));
        assert_eq!(digest["packet_hash"]["STATUS"], header(&|p, c| p.column(c).status().to_le_bytes().to_vec()));
        let encoder = |p: &OusterPacket<'_>, c| p.column(c).encoder_count().unwrap_or(0).to_le_bytes().to_vec();
        assert_eq!(digest["packet_hash"]["ENCODER_COUNT"], header(&encoder));
        assert_eq!(digest["scans"][0]["FRAME_ID"], packets[0].frame_id().to_string());
        assert!(seen >= 11, "{name}: {seen} digests compared");
    }
}

fn drive(path: &Path, meta: Option<&Path>) -> Box<dyn Drive> {
    open(path, &OpenOptions { meta: meta.map(Path::to_path_buf), ..OpenOptions::default() }).unwrap()
}

fn cloud(drive: &dyn Drive, index: usize) -> Cloud {
    let Payload::Cloud(cloud) = drive.read(index).unwrap() else { panic!("no sweep") };
    cloud
}

#[test]
fn an_ousters_points_lie_where_the_makers_formula_puts_them() {
    let Some(folder) = real_data("recordings/ouster") else { return };
    for name in ["OS-0-128-U1_v2.3.0_1024x10", "OS-1-32-G_v2.1.1_1024x10", "crc_test"] {
        let (pcap, json) = (folder.join(format!("{name}.pcap")), folder.join(format!("{name}.json")));
        let drive = drive(&pcap, Some(&json));
        let metadata = Arc::new(OusterMetadata::read(&json).unwrap());
        let bytes = payloads(&pcap, 7502);
        let mut expected = Vec::new();
        let columns = metadata.columns_per_frame as f64;
        let [along, up] = metadata.beam_origin_mm;
        let n = along.hypot(up);
        for packet in bytes.iter().take(metadata.columns_per_frame / 16) {
            let packet = OusterPacket::parse(packet, &metadata).unwrap();
            for column in packet.columns() {
                let encoder = std::f64::consts::TAU * (1.0 - column.measurement_id() as f64 / columns);
                for (row, pixel) in column.pixels().enumerate() {
                    let (mm, _) = pixel.range_and_reflectivity(0);
                    if mm == 0 {
                        continue;
                    }
                    let (phi, theta) =
                        (metadata.altitudes_deg[row].to_radians(), encoder - metadata.azimuths_deg[row].to_radians());
                    let r = f64::from(mm) - n;
                    let p = [
                        r * theta.cos() * phi.cos() + along * encoder.cos(),
                        r * theta.sin() * phi.cos() + along * encoder.sin(),
                        r * phi.sin() + up,
                        1.0,
                    ];
                    let m = &metadata.sensor_from_lidar;
                    let row = |i: usize| (0..4).map(|k| m[4 * i + k] * p[k]).sum::<f64>() * 1e-3;
                    expected.push([row(0), row(1), row(2)]);
                }
            }
        }
        let cloud = cloud(drive.as_ref(), 0);
        assert_eq!(cloud.len(), expected.len(), "{name}");
        let worst =
            cloud.xyz.iter().zip(&expected).flat_map(|(a, b)| (0..3).map(move |k| (f64::from(a[k]) - b[k]).abs()));
        let worst = worst.fold(0.0, f64::max);
        assert!(worst < 1e-4, "{name}: {worst} m");
        assert!(cloud.ring.iter().all(|r| usize::from(*r) < metadata.rows()));
        let (low, high) = cloud.time_offset_s.iter().fold((0.0_f32, -1.0_f32), |(l, h), t| (l.min(*t), h.max(*t)));
        assert!((-0.11..-0.09).contains(&low) && high.abs() < 1e-6, "{name}: {low} to {high} s");
    }
}

#[test]
fn every_ouster_recording_gives_its_frames_and_says_what_is_missing() {
    let Some(folder) = real_data("recordings/ouster") else { return };
    // Recording, metadata (none: found beside it), extents of its frames, whether something is lost.
    let (whole, edge) = (Extent::Whole, Extent::Edge);
    let table: [(&str, Option<&str>, &[Extent], bool); 7] = [
        ("OS-0-128-U1_v2.3.0_1024x10", None, &[whole], false),
        ("OS-1-128_v2.3.0_1024x10_lb_n3", None, &[whole; 3], false),
        ("OS-1-32-G_v2.1.1_1024x10", Some("OS-1-32-G_v2.1.1_1024x10"), &[whole], false),
        ("OS-2-32-U0_v2.0.0_1024x10", None, &[whole], false),
        ("crc_test", None, &[whole, edge], false),
        // One datagram lacks its fragments; its number is used again by the next.
        ("duplicate_id", None, &[edge], true),
        ("empty_pcap", None, &[], true),
    ];
    for (name, meta, extents, lost) in table {
        let meta = meta.map(|m| folder.join(format!("{m}.json")));
        let drive = drive(&folder.join(format!("{name}.pcap")), meta.as_deref());
        let got: Vec<_> = (0..drive.entries().len()).map(|i| drive.sweep_info(i).unwrap().extent).collect();
        assert_eq!(got, extents, "{name}");
        assert_eq!(!drive.info().lost.is_empty(), lost, "{name}: {:?}", drive.info().lost);
        assert!(drive.packets(0).unwrap().balanced(), "{name}: {:?}", drive.packets(0));
        (0..extents.len()).for_each(|i| assert!(cloud(drive.as_ref(), i).len() > 1000, "{name}"));
        let notes = drive.info().notes.join("; ");
        assert_eq!(notes.contains("metadata:"), meta.is_none(), "{name}: {notes}");
    }
}

/// x, y, z of a binary .pcd whose records have `stride` bytes and begin with them.
fn reference(path: &Path, stride: usize) -> Vec<[f32; 3]> {
    let bytes = std::fs::read(path).unwrap();
    let begin = bytes.windows(12).position(|w| w == b"DATA binary\n").unwrap() + 12;
    let float = |b: &[u8]| f32::from_le_bytes(b.try_into().unwrap());
    bytes[begin..].chunks_exact(stride).map(|r| [float(&r[..4]), float(&r[4..8]), float(&r[8..12])]).collect()
}

/// Parts of `points` that have one of `cloud` within 1 and 2 cm.
fn within(points: &[[f32; 3]], cloud: &[[f32; 3]]) -> [f64; 2] {
    let cell = |p: &[f32; 3]| p.map(|v| (v / 0.02).floor() as i32);
    let mut cells = std::collections::BTreeMap::<[i32; 3], Vec<[f32; 3]>>::new();
    cloud.iter().for_each(|p| cells.entry(cell(p)).or_default().push(*p));
    let nearest = |p: &[f32; 3]| {
        let [x, y, z] = cell(p);
        let around = (-1..=1).flat_map(|i| (-1..=1).flat_map(move |j| (-1..=1).map(move |k| [x + i, y + j, z + k])));
        let near = around.filter_map(|c| cells.get(&c)).flatten();
        near.map(|q| (0..3).map(|k| (p[k] - q[k]).powi(2)).sum::<f32>().sqrt()).fold(f32::INFINITY, f32::min)
    };
    let distances: Vec<f32> = points.iter().map(nearest).collect();
    [0.01, 0.02].map(|d| distances.iter().filter(|n| **n < d).count() as f64 / points.len() as f64)
}

#[test]
fn a_dual_return_vlp16_meets_the_independent_cloud() {
    let Some(folder) = real_data("recordings/velodyne/vlp16") else { return };
    let drive = drive(&folder.join("1673400471837873222"), None);
    let extents: Vec<_> = (0..drive.entries().len()).map(|i| drive.sweep_info(i).unwrap().extent).collect();
    assert_eq!(extents, [Extent::Whole, Extent::Whole, Extent::Whole, Extent::Whole, Extent::Edge]);
    assert!(drive.info().lost.is_empty(), "{:?}", drive.info().lost);
    let counts = drive.packets(0).unwrap();
    assert_eq!((counts.received, counts.used, counts.lost), (603, 603, 0));
    let points = reference(&folder.join("1673400472138016708.pcd"), 32);
    assert_eq!(points.len(), 14_831);
    let cloud = cloud(drive.as_ref(), 3);
    let [one, two] = within(&points, &cloud.xyz);
    println!("of {} points {:.2} % within 1 cm, {:.2} % within 2 cm", points.len(), 100.0 * one, 100.0 * two);
    assert!(one >= 0.95 && two >= 0.985, "{one} {two}");
    // Arrival 1673400472.136553525 is that of the packet with the last firings of the turn.
    let t = drive.entries()[3].t.as_nanos();
    assert!((t - 1_673_400_472_137_216_567).abs() < 3_000_000, "{t}");
    assert!(drive.info().notes.iter().any(|n| n.contains("not synchronised")), "{:?}", drive.info().notes);
}
