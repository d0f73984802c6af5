//! The way ahead as it is drawn: a frame's corridor on the ground that the frame shows. Metres in the vehicle frame.

use super::corridor::Corridor;
use crate::fuse::GroundPlane;
use crate::space::{Point3, Vehicle};

/// A corridor of some length, on the ground.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Way {
    /// The swept path.
    pub corridor: Corridor,
    /// How far ahead of the front it is worth looking at, metres.
    pub length_m: f64,
    /// The ground in the vehicle frame, where a sweep shows it.
    pub ground: Option<GroundPlane>,
}

impl Way {
    /// The right and left edges, `steps` pieces each, `floor_m` high where no sweep shows the ground.
    pub fn edges(&self, steps: usize, floor_m: f64) -> [Vec<Point3<Vehicle>>; 2] {
        let on_ground = |x: f64, y: f64| match self.ground {
            // A plane that stands upright is no ground.
            Some(g) if g.normal.z > 0.5 => (g.height_m - g.normal.x * x - g.normal.y * y) / g.normal.z,
            _ => floor_m,
        };
        let place = |p: nalgebra::Vector2<f64>| Point3::new(p.x, p.y, on_ground(p.x, p.y));
        self.corridor.edges(self.length_m, steps).map(|edge| edge.into_iter().map(place).collect())
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::Vector3;

    use super::*;
    use crate::assess::VehicleShape;

    #[test]
    fn edges_lie_on_the_ground_that_is_seen_and_else_on_the_floor() {
        let corridor = Corridor::new(VehicleShape::CAR, None);
        let normal = Vector3::new(-0.1, 0.0, 1.0).normalize();
        let ground = GroundPlane { normal, height_m: -normal.z, support: 0.9, sigma_m: 0.02 };
        let way = Way { corridor, length_m: 20.0, ground: Some(ground) };
        let [right, left] = way.edges(10, 5.0);
        for p in right.iter().chain(&left) {
            assert!(ground.height_above_m(&p.xyz).abs() < 1e-9 && (p.xyz.z - (0.1 * p.xyz.x - 1.0)).abs() < 1e-9);
        }
        assert_eq!((right.len(), right[0].xyz.x, right[10].xyz.x), (11, 3.6, 23.6));
        assert!(right[0].xyz.y < 0.0 && left[0].xyz.y > 0.0);
        let upright = GroundPlane { normal: Vector3::x(), ..ground };
        for ground in [None, Some(upright)] {
            assert!(Way { ground, ..way }.edges(2, -1.7)[0].iter().all(|p| p.xyz.z == -1.7));
        }
    }
}
