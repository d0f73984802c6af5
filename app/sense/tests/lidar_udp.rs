//! LiDARs over UDP on loopback at their full rate, with packets lost, doubled and out of order: the books balance whatever
//! the kernel's buffer loses.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ocellus_percept::cloud::Cloud;
use ocellus_sense::lidar::made::{MadeOuster, MadeVlp16, metadata_text};
use ocellus_sense::lidar::{Extent, LidarModel, OusterMetadata, UdpLidar, UdpOptions};

/// What a sender did.
struct Sent {
    numbers: u64,
    datagrams: u64,
    left_out: u64,
}

/// Sends packets `0..count` at `hz`, leaving out, doubling and exchanging some; the first and the last always come.
fn send(to: SocketAddr, count: u64, hz: f64, packet: impl Fn(u64) -> Vec<u8>) -> Sent {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sent = Sent { numbers: count, datagrams: 0, left_out: 0 };
    let mut held: Option<Vec<u8>> = None;
    let began = Instant::now();
    let mut put = |bytes: &[u8]| {
        socket.send_to(bytes, to).unwrap();
        sent.datagrams += 1;
    };
    for number in 0..count {
        let due = began + Duration::from_secs_f64(number as f64 / hz);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let bytes = packet(number);
        let edge = number == 0 || number + 1 == count;
        if edge {
            // The receiver has nothing else to do around the first and the last packet.
            held.take().iter().for_each(|late| put(late));
            thread::sleep(Duration::from_millis(100));
            put(&bytes);
            continue;
        }
        match number % 97 {
            13 => sent.left_out += 1,
            29 => (0..2).for_each(|_| put(&bytes)),
            53 => held = Some(bytes),
            _ => {
                put(&bytes);
                held.take().iter().for_each(|late| put(late));
            }
        }
    }
    // A stranger's datagram at the end.
    put(b"hello");
    sent
}

fn hear(model: LidarModel, count: u64, hz: f64, packet: impl Fn(u64) -> Vec<u8> + Send + 'static) {
    let mut lidar = UdpLidar::open(&UdpOptions::new("127.0.0.1:0".parse().unwrap(), model.clone())).unwrap();
    let to = lidar.address();
    // A stand-in for the sensor, not a thread of the program.
    #[allow(clippy::disallowed_methods)]
    let sender = thread::spawn(move || send(to, count, hz, packet));
    let (mut cloud, mut frames) = (Cloud::default(), Vec::new());
    while lidar.counts().packets.foreign == 0 && frames.len() < 1_000 {
        if let Some(frame) = lidar.poll(Duration::from_millis(50), &mut cloud).unwrap() {
            assert!(!cloud.is_empty(), "{model}");
            frames.push(frame);
        }
        assert!(!sender.is_finished() || lidar.counts().packets.received > 0, "{model}: nothing was heard");
    }
    frames.extend(lidar.finish(&mut cloud));
    let sent = sender.join().unwrap();
    let counts = lidar.counts();
    let packets = counts.packets;
    println!("{model}: {} sent, {} left out, {counts:?}", sent.datagrams, sent.left_out);
    assert!(packets.balanced(), "{packets:?}");
    // Every datagram was received or thrown away by the kernel; every packet used, late or missing.
    assert_eq!(packets.received + counts.kernel_dropped, sent.datagrams);
    assert_eq!(packets.used + packets.late + packets.lost, sent.numbers);
    assert!(packets.lost >= sent.left_out && packets.lost <= sent.left_out + counts.kernel_dropped, "{counts:?}");
    assert_eq!(frames.iter().map(|f| u64::from(f.packets)).sum::<u64>(), packets.used);
    assert!(frames.windows(2).all(|f| f[1].t > f[0].t && f[1].seq == f[0].seq + 1));
    assert!(frames.iter().any(|f| f.extent == Extent::Incomplete) && frames.len() > 3);
}

#[test]
fn a_vlp16_at_full_rate() {
    hear(LidarModel::Vlp16, 754, MadeVlp16::HZ, |n| MadeVlp16::default().packet(n));
}

#[test]
fn an_ouster_of_128_beams_2048_columns_and_10_turns_a_second() {
    let sensor = MadeOuster::new(128, 2048, 10.0).unwrap();
    let (model, hz) = (LidarModel::Ouster(sensor.metadata().clone()), sensor.hz());
    assert_eq!(hz.round(), 1280.0);
    hear(model, 640, hz, move |n| sensor.packet(n));
}

#[test]
fn strangers_are_counted_and_an_address_in_use_is_named() {
    let mut options = UdpOptions::new("127.0.0.1:0".parse().unwrap(), LidarModel::Vlp16);
    options.from = Some("127.0.0.9".parse().unwrap());
    let mut lidar = UdpLidar::open(&options).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&MadeVlp16::default().packet(0), lidar.address()).unwrap();
    let mut cloud = Cloud::default();
    while lidar.counts().strangers == 0 {
        assert_eq!(lidar.poll(Duration::from_millis(20), &mut cloud).unwrap(), None);
    }
    assert_eq!(lidar.counts().packets.received, 0);
    options.address = lidar.address();
    let error = UdpLidar::open(&options).unwrap_err().to_string();
    assert!(error.contains("another program"), "{error}");
}

/// Answers one HTTP request with `status` and `body`; gives the request's first line.
fn answer(listener: &TcpListener, status: &str, body: &str) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    let asked = lines.next().unwrap();
    while lines.next().is_some_and(|line| !line.is_empty()) {}
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).unwrap();
    asked
}

#[test]
fn an_ouster_is_asked_for_its_metadata() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let sensor = format!("http://{}", listener.local_addr().unwrap());
    let text = metadata_text(32, 1024);
    let ask = |status: &str, body: &str| {
        thread::scope(|scope| {
            let asked = scope.spawn(|| answer(&listener, status, body));
            (OusterMetadata::read(Path::new(&sensor)).map_err(|e| e.to_string()), asked.join().unwrap())
        })
    };
    let (metadata, asked) = ask("200 OK", &text);
    assert_eq!(asked, "GET /api/v1/sensor/metadata HTTP/1.1");
    assert_eq!(metadata.unwrap(), OusterMetadata::parse(&text).unwrap());
    for (status, body, needle) in [
        ("404 Not Found", "", "HTTP status 404"),
        ("200 OK", "<html>not a sensor</html>", "JSON"),
        ("200 OK", "{}", "beam_altitude_angles"),
    ] {
        let (metadata, _) = ask(status, body);
        let error = metadata.unwrap_err();
        assert!(error.contains(needle) && error.contains(&sensor), "{error}");
    }
    drop(listener);
    let error = OusterMetadata::read(Path::new(&sensor)).unwrap_err().to_string();
    assert!(error.contains("is it on") && error.contains("/api/v1/sensor/metadata"), "{error}");
}
