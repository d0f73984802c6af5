//! How many packets a second one core turns into points, by model: `cargo run --release -p ocellus-sense --example lidar_speed`.

use std::time::Instant;

use ocellus_percept::time::Timestamp;
use ocellus_sense::lidar::made::{MadeOuster, MadeVlp16};
use ocellus_sense::lidar::{Assembler, FrameOptions, LidarModel};

/// Times the decoder is run over the packets; the best counts.
const ROUNDS: usize = 7;

fn main() -> Result<(), String> {
    let vlp16: Vec<_> = (0..3_000).map(|n| MadeVlp16::default().packet(n)).collect();
    measure(&LidarModel::Vlp16, MadeVlp16::HZ, &vlp16);
    for (rows, columns, hz) in [(64, 1024, 10.0), (128, 2048, 10.0)] {
        let sensor = MadeOuster::new(rows, columns, hz)?;
        let packets: Vec<_> = (0..columns as u64 / 16 * 4).map(|n| sensor.packet(n)).collect();
        measure(&LidarModel::Ouster(sensor.metadata().clone()), sensor.hz(), &packets);
    }
    Ok(())
}

/// Prints the best rate over `packets`, and how many sensors sending `hz` packets a second that is.
fn measure(model: &LidarModel, hz: f64, packets: &[Vec<u8>]) {
    let mut best = f64::INFINITY;
    let mut points = 0;
    for _ in 0..ROUNDS {
        let mut assembler = Assembler::new(model, FrameOptions::default());
        points = 0;
        let began = Instant::now();
        for packet in packets {
            if assembler.push(packet, Timestamp::default()) {
                points += assembler.frame().cloud.len();
            }
        }
        if assembler.finish() {
            points += assembler.frame().cloud.len();
        }
        best = best.min(began.elapsed().as_secs_f64());
    }
    let rate = packets.len() as f64 / best;
    let ns = best * 1e9 / points.max(1) as f64;
    println!("{model}: {rate:.0} packets/s, {ns:.1} ns a point, {:.0} times the sensor's rate", rate / hz);
}
