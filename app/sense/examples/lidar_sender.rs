//! A LiDAR that is not there, sending at its full rate: `lidar_sender ADDRESS vlp16|ouster [SECONDS] [LOST_PERCENT]`.
//!
//! The Ouster has 128 beams, 2048 columns and 10 turns a second; `lidar_sender --meta` prints the metadata to hear it with.

use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ocellus_sense::lidar::made::{MadeOuster, MadeVlp16, metadata_text};

/// Beams and columns of the Ouster.
const OUSTER: (usize, usize) = (128, 2048);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize| words.get(at).map(String::as_str);
    if word(0) == Some("--meta") {
        println!("{}", metadata_text(OUSTER.0, OUSTER.1));
        return Ok(());
    }
    let (Some(address), Some(model)) = (word(0), word(1)) else {
        return Err("lidar_sender ADDRESS vlp16|ouster [SECONDS] [LOST_PERCENT], or lidar_sender --meta".into());
    };
    let seconds: f64 = word(2).unwrap_or("10").parse()?;
    let lost: u64 = word(3).unwrap_or("0").parse()?;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let vlp16 = MadeVlp16 { start_us: since_1970.as_micros() as u64 % 3_600_000_000 };
    let mut ouster = MadeOuster::new(OUSTER.0, OUSTER.1, 10.0)?;
    ouster.start_ns = since_1970.as_nanos() as u64;
    let (hz, packet): (f64, &dyn Fn(u64) -> Vec<u8>) = match model {
        "vlp16" => (MadeVlp16::HZ, &|n| vlp16.packet(n)),
        "ouster" => (ouster.hz(), &|n| ouster.packet(n)),
        other => return Err(format!("expected vlp16 or ouster, got {other}").into()),
    };
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let began = Instant::now();
    let (mut sent, mut left_out) = (0_u64, 0_u64);
    for number in 0..(seconds * hz) as u64 {
        let due = began + Duration::from_secs_f64(number as f64 / hz);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // A number's hash decides: the same packets are left out each time.
        if number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 < (lost << 32) / 100 {
            left_out += 1;
            continue;
        }
        socket.send_to(&packet(number), address)?;
        sent += 1;
    }
    println!("{sent} packets sent, {left_out} left out, in {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}
