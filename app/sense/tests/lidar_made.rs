//! LiDAR packets made here: frames, books under loss, reordering and duplication, and input that no sensor sends.

use ocellus_percept::time::Timestamp;
use ocellus_sense::lidar::made::{MadeOuster, MadeVlp16, range_m};
use ocellus_sense::lidar::{Assembler, Extent, Frame, FrameOptions, LidarModel, OusterMetadata};
use ocellus_sense::{OpenOptions, Payload, open};

use crate::support::write;

/// xorshift64*: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

fn livox(counter: u64) -> Vec<u8> {
    let mut bytes = vec![0; 36];
    bytes[1..3].copy_from_slice(&(36u16 + 96 * 14).to_le_bytes());
    bytes[3..5].copy_from_slice(&4_800u16.to_le_bytes());
    bytes[5..7].copy_from_slice(&96u16.to_le_bytes());
    bytes[7..9].copy_from_slice(&(counter as u16).to_le_bytes());
    bytes[10] = 1;
    bytes[28..36].copy_from_slice(&(counter * 480_000).to_le_bytes());
    for point in 0..96i32 {
        [5_000, point * 10, 250].iter().for_each(|v| bytes.extend(v.to_le_bytes()));
        bytes.extend([200, 0]);
    }
    bytes
}

/// Makes the n-th packet.
type Make = Box<dyn Fn(u64) -> Vec<u8>>;

fn models() -> Vec<(LidarModel, Make)> {
    let ouster = MadeOuster::new(16, 512, 10.0).unwrap();
    let model = LidarModel::Ouster(ouster.metadata().clone());
    vec![
        (LidarModel::Vlp16, Box::new(|n| MadeVlp16::default().packet(n))),
        (model, Box::new(move |n| ouster.packet(n))),
        (LidarModel::LivoxMid360, Box::new(livox)),
    ]
}

/// Pushes packets and collects frames.
fn frames(model: &LidarModel, packets: impl IntoIterator<Item = Vec<u8>>) -> (Vec<Frame>, Assembler) {
    let mut assembler = Assembler::new(model, FrameOptions::default());
    let mut frames = Vec::new();
    for (i, packet) in packets.into_iter().enumerate() {
        if assembler.push(&packet, Timestamp::from_nanos(i as i64)) {
            frames.push(assembler.frame().clone());
        }
    }
    if assembler.finish() {
        frames.push(assembler.frame().clone());
    }
    (frames, assembler)
}

#[test]
fn turns_are_whole_and_points_lie_on_the_scene() {
    for (model, packet) in models() {
        let (frames, assembler) = frames(&model, (0..900).map(packet));
        assert!(frames.len() > 3, "{model}: {}", frames.len());
        let inner = &frames[1..frames.len() - 1];
        assert!(inner.iter().all(|f| f.extent == Extent::Whole && f.missing == 0), "{model}");
        assert!(assembler.counts().balanced() && assembler.counts().lost == 0);
        for frame in inner {
            let span_s = (frame.last_ns - frame.first_ns) as f64 * 1e-9;
            assert!((0.09..0.11).contains(&span_s), "{model}: {span_s} s");
            assert!(frame.cloud.time_offset_s.iter().all(|t| (-0.11..=1e-6).contains(t)), "{model}");
        }
        if model == LidarModel::LivoxMid360 {
            let [x, y, z] = frames[1].cloud.xyz[1];
            assert!((x, z) == (5.0, 0.25) && (y - 0.01).abs() < 1e-6, "{y}");
            continue;
        }
        let mut near = 0;
        for [x, y, z] in frames[1].cloud.xyz.iter().map(|p| p.map(f64::from)) {
            let range = (x * x + y * y + z * z).sqrt();
            let expected = range_m(y.atan2(x), (z / range).asin());
            near += usize::from((range - expected).abs() < 0.05);
        }
        // At the box's edges a hundredth of a degree decides between it and the wall.
        assert!(near as f64 > 0.99 * frames[1].cloud.len() as f64, "{model}: {near} of {}", frames[1].cloud.len());
    }
}

#[test]
fn the_books_balance_under_loss_reordering_and_duplication() {
    const SENT: u64 = 4_000;
    for (model, packet) in models() {
        let mut random = Random(7);
        let (mut wire, mut lost, mut copies) = (Vec::new(), 0, 0);
        for number in 0..SENT {
            // The first and the last arrive: what is missing outside them nobody can know.
            if number != 0 && number != SENT - 1 && random.chance(5) {
                lost += 1;
                continue;
            }
            wire.push(packet(number));
            if random.chance(3) {
                copies += 1;
                wire.push(packet(number));
            }
        }
        let last = wire.len() - 2;
        for i in 1..last {
            if random.chance(4) {
                wire.swap(i, i + 1 + random.below(3).min((last - i) as u64) as usize);
            }
        }
        let came = wire.len() as u64;
        let (frames, assembler) = frames(&model, wire);
        let counts = assembler.counts();
        assert!(counts.balanced() && counts.received == came, "{model}: {counts:?}");
        assert_eq!((counts.lost, counts.duplicate), (lost, copies), "{model}: {counts:?}");
        assert_eq!(counts.used + counts.late + counts.lost, SENT, "{model}: {counts:?}");
        assert!(counts.reordered > 20 && counts.late * 10 < counts.reordered * 9, "{model}: {counts:?}");
        assert!(frames.iter().any(|f| f.extent == Extent::Incomplete), "{model}");
        assert_eq!(frames.iter().map(|f| u64::from(f.packets)).sum::<u64>(), counts.used, "{model}");
    }
}

#[test]
fn nothing_that_arrives_panics_or_unbalances_the_books() {
    for (model, packet) in models() {
        let mut random = Random(11);
        let mut assembler = Assembler::new(&model, FrameOptions::default());
        let mut points = 0;
        for number in 0..6_000u64 {
            let mut bytes = packet(random.below(3_000));
            match random.below(6) {
                0 => bytes.truncate(random.below(bytes.len() as u64 + 1) as usize),
                1 => (0..1 + random.below(40)).for_each(|_| {
                    let at = random.below(bytes.len() as u64) as usize;
                    bytes[at] = random.next() as u8;
                }),
                2 => bytes.iter_mut().for_each(|b| *b = random.next() as u8),
                3 => bytes.extend((0..random.below(200)).map(|b| b as u8)),
                4 => bytes = (0..random.below(2_000)).map(|b| (b * 7) as u8).collect(),
                _ => {}
            }
            if assembler.push(&bytes, Timestamp::from_nanos(number as i64)) {
                points += assembler.frame().cloud.len();
            }
            assert!(assembler.counts().balanced(), "{model}");
        }
        let counts = assembler.counts();
        assert!(counts.foreign > 500 && counts.used > 500, "{model}: {counts:?}");
        assert!(assembler.last_fault().is_some() && points > 0);
    }
}

#[test]
fn the_hour_of_a_velodyne_wraps_without_a_gap() {
    let sensor = MadeVlp16 { start_us: 3_600_000_000 - 100_000 };
    let (frames, assembler) = frames(&LidarModel::Vlp16, (0..400).map(|n| sensor.packet(n)));
    assert_eq!((assembler.counts().lost, assembler.counts().restarts), (0, 0));
    assert!(frames.windows(2).all(|f| (0..1_000_000).contains(&(f[1].first_ns - f[0].last_ns))));
}

#[test]
fn an_ousters_frame_numbers_wrap_and_a_restart_is_no_loss() {
    let sensor = MadeOuster::new(16, 512, 10.0).unwrap();
    let model = LidarModel::Ouster(sensor.metadata().clone());
    let first = 65_534 * 32;
    let again = 60_000 * 32;
    let packets = (first..first + 4 * 32).chain(again..again + 64);
    let (frames, assembler) = frames(&model, packets.map(|n| sensor.packet(n)));
    let counts = assembler.counts();
    assert_eq!((frames.len(), counts.lost, counts.restarts), (6, 0, 1), "{counts:?}");
    // A start that the packets themselves tell of, however the frame numbers go on.
    let mut again = sensor.clone();
    again.initialization_id = 2;
    let packets = (0..40).map(|n| sensor.packet(n)).chain((9_000..9_064).map(|n| again.packet(n)));
    let (_, assembler) = self::frames(&model, packets);
    assert_eq!((assembler.counts().lost, assembler.counts().restarts), (0, 1), "{:?}", assembler.counts());
}

#[test]
fn a_stalled_sensor_gives_up_its_frame() {
    let mut assembler = Assembler::new(&LidarModel::Vlp16, FrameOptions::default());
    assembler.push(&MadeVlp16::default().packet(0), Timestamp::from_nanos(0));
    assert!(!assembler.idle(Timestamp::from_nanos(299_000_000)));
    assert!(assembler.idle(Timestamp::from_nanos(301_000_000)));
    assert_eq!(assembler.frame().extent, Extent::Incomplete);
    assert!(!assembler.idle(Timestamp::from_nanos(900_000_000)));
}

#[test]
fn metadata_that_lies_is_refused_by_name() {
    let good = |key: &str, value: &str| {
        let mut json: serde_json::Value = serde_json::from_str(BASE).unwrap();
        json[key] = serde_json::from_str(value).unwrap();
        OusterMetadata::parse(&json.to_string())
    };
    assert!(good("prod_sn", "\"1\"").is_ok());
    for (key, value, place) in [
        ("udp_profile_lidar", "\"RNG99\"", "udp_profile_lidar"),
        ("beam_azimuth_angles", "[0, 0, 0]", "beams"),
        ("columns_per_packet", "0", "columns_per_frame"),
        ("columns_per_frame", "1000000", "columns_per_frame"),
        ("column_window", "[0, 4096]", "column_window"),
        ("lidar_to_sensor_transform", "[1, 2]", "lidar_to_sensor_transform"),
        ("beam_altitude_angles", "null", "beam_altitude_angles"),
    ] {
        let wrong = good(key, value).unwrap_err();
        assert_eq!(wrong.place, place, "{wrong:?}");
    }
    assert!(OusterMetadata::parse("[1]").is_err() && OusterMetadata::parse("{").is_err());
}

const BASE: &str = r#"{"beam_altitude_angles": [1, -1], "beam_azimuth_angles": [0, 0], "pixels_per_column": 2,
    "columns_per_frame": 512, "columns_per_packet": 16, "udp_profile_lidar": "LEGACY"}"#;

/// Ethernet, IPv4 and UDP around `payload`, in fragments of `mtu` bytes of IP payload.
fn frames_of(payload: &[u8], id: u16, mtu: usize) -> Vec<Vec<u8>> {
    let mut udp = vec![0x1D, 0x4E, 0x1D, 0x4E];
    udp.extend((payload.len() as u16 + 8).to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(payload);
    let parts = udp.chunks(mtu).count();
    let frame = |(i, part): (usize, &[u8])| {
        let mut frame = vec![0; 12];
        // A VLAN tag, as a switch may leave it.
        frame.extend([0x81, 0, 0, 5, 8, 0, 0x45, 0]);
        frame.extend((part.len() as u16 + 20).to_be_bytes());
        frame.extend(id.to_be_bytes());
        frame.extend(((i * mtu / 8) as u16 | if i + 1 < parts { 0x2000 } else { 0 }).to_be_bytes());
        frame.extend([64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        frame.extend(part);
        frame
    };
    udp.chunks(mtu).enumerate().map(frame).collect()
}

fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    for (i, frame) in frames.iter().enumerate() {
        for number in [1_700_000_000, i as u32 * 100, frame.len() as u32, frame.len() as u32] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(frame);
    }
    bytes
}

/// The same frames as pcapng of a big-endian machine with nanoseconds.
fn pcapng(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut block = |kind: u32, body: &[u8]| {
        let length = body.len() as u32 + 12;
        bytes.extend(kind.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(body);
        bytes.extend(length.to_be_bytes());
    };
    block(0x0A0D_0D0A, &[0x1A, 0x2B, 0x3C, 0x4D, 0, 1, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
    block(1, &[0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0]);
    for (i, frame) in frames.iter().enumerate() {
        let ns = 1_700_000_000_000_000_000_u64 + i as u64 * 100_000;
        let mut body = vec![0; 4];
        body.extend(ns.to_be_bytes());
        body.extend([(frame.len() as u32).to_be_bytes(), (frame.len() as u32).to_be_bytes()].concat());
        body.extend(frame);
        body.resize(body.len().next_multiple_of(4), 0);
        block(6, &body);
    }
    bytes
}

#[test]
fn captures_in_any_form_and_in_fragments_give_the_same_frames() {
    let sensor = MadeOuster::new(16, 512, 10.0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let meta = write(folder.path(), "meta.json", made_metadata());
    let whole: Vec<_> = (0..70).flat_map(|n| frames_of(&sensor.packet(n), n as u16, 65_000)).collect();
    let mut torn: Vec<_> = (0..70).flat_map(|n| frames_of(&sensor.packet(n), n as u16, 1_480)).collect();
    // Fragments of one datagram may come in any order.
    torn.chunks_exact_mut(3).for_each(|c| c.swap(0, 2));
    let mut clouds = Vec::new();
    for (name, bytes) in [("a.pcap", pcap(&whole)), ("b.pcapng", pcapng(&whole)), ("c.pcap", pcap(&torn))] {
        let path = write(folder.path(), name, bytes);
        let drive = open(&path, &OpenOptions { meta: Some(meta.clone()), ..OpenOptions::default() }).unwrap();
        assert!(drive.info().lost.is_empty(), "{name}: {:?}", drive.info().lost);
        assert_eq!(drive.entries().len(), 3, "{name}");
        let Payload::Cloud(cloud) = drive.read(1).unwrap() else { panic!("no sweep") };
        clouds.push(cloud);
    }
    assert!(clouds[0].len() > 5_000 && clouds[0] == clouds[1] && clouds[0] == clouds[2]);
}

#[test]
fn a_capture_cut_anywhere_gives_what_is_whole_and_says_so() {
    let sensor = MadeOuster::new(16, 512, 10.0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let meta = write(folder.path(), "meta.json", made_metadata());
    let frames: Vec<_> = (0..40).flat_map(|n| frames_of(&sensor.packet(n), n as u16, 65_000)).collect();
    let bytes = pcap(&frames);
    let options = OpenOptions { meta: Some(meta), ..OpenOptions::default() };
    let mut random = Random(3);
    for _ in 0..60 {
        let cut = 1 + random.below(bytes.len() as u64 - 1) as usize;
        let path = write(folder.path(), "cut.pcap", &bytes[..cut]);
        // Too short to be told, or opened with what is lost named; never a panic.
        let Ok(drive) = open(&path, &options) else { continue };
        let at_record = (24..bytes.len()).step_by(16 + frames[0].len()).any(|end| end == cut);
        assert!(at_record || !drive.info().lost.is_empty(), "cut at {cut}");
    }
}

/// Metadata of the made 16-beam sensor.
fn made_metadata() -> String {
    let altitudes: Vec<f64> = (0..16).map(|row| 22.5 - 3.0 * f64::from(row)).collect();
    serde_json::json!({
        "beam_altitude_angles": altitudes, "beam_azimuth_angles": vec![0.0; 16], "pixels_per_column": 16,
        "columns_per_frame": 512, "columns_per_packet": 16, "udp_profile_lidar": "RNG19_RFL8_SIG16_NIR16",
    })
    .to_string()
}
