//! A bounding volume hierarchy over one mesh: the nearest triangle along a ray, exactly.

use crate::math::{Vec3, least, most, vec3};
use crate::mesh::Mesh;

/// Triangles a leaf holds at most.
const LEAF: usize = 4;

#[derive(Debug, Clone, Copy)]
struct Node {
    low: Vec3,
    high: Vec3,
    /// Leaf: first of `order`; inner: index of the right child (the left one follows its parent).
    start: u32,
    /// Leaf: number of triangles; inner: 0.
    count: u32,
    /// Inner: the side it was split along, 0 to 2.
    axis: u8,
}

/// The tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bvh {
    nodes: Vec<Node>,
    order: Vec<u32>,
    corners: Vec<[Vec3; 3]>,
}

/// What a ray meets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hit {
    pub(crate) distance: f32,
    pub(crate) tri: u32,
}

impl Bvh {
    pub(crate) fn new(mesh: &Mesh) -> Self {
        let all: Vec<[Vec3; 3]> = mesh.tris.iter().map(|t| mesh.corners(t)).collect();
        let middles: Vec<Vec3> = all.iter().map(|c| (c[0] + c[1] + c[2]) * (1.0 / 3.0)).collect();
        let mut tree = Self { nodes: Vec::new(), order: (0..all.len() as u32).collect(), corners: Vec::new() };
        let count = tree.order.len();
        if count > 0 {
            tree.split(&all, &middles, 0, count);
        }
        tree.corners = tree.order.iter().map(|&i| all[i as usize]).collect();
        tree
    }

    /// Splits `order[start..end]` at the median of its longest side; depth is logarithmic, so recursion is shallow.
    fn split(&mut self, all: &[[Vec3; 3]], middles: &[Vec3], start: usize, end: usize) {
        let far = Vec3::splat(f32::INFINITY);
        let (mut low, mut high) = (far, -far);
        for &i in &self.order[start..end] {
            for p in all[i as usize] {
                (low, high) = (low.min(p), high.max(p));
            }
        }
        let index = self.nodes.len();
        self.nodes.push(Node { low, high, start: start as u32, count: (end - start) as u32, axis: 0 });
        if end - start <= LEAF {
            return;
        }
        let size = high - low;
        let (axis, key): (u8, fn(Vec3) -> f32) = if size.x >= size.y && size.x >= size.z {
            (0, |p| p.x)
        } else if size.y >= size.z {
            (1, |p| p.y)
        } else {
            (2, |p| p.z)
        };
        self.nodes[index].axis = axis;
        // Ties are broken by index so that the tree is the same everywhere.
        self.order[start..end]
            .sort_by(|a, b| key(middles[*a as usize]).total_cmp(&key(middles[*b as usize])).then(a.cmp(b)));
        let middle = start + (end - start) / 2;
        self.split(all, middles, start, middle);
        self.nodes[index].start = self.nodes.len() as u32;
        self.nodes[index].count = 0;
        self.split(all, middles, middle, end);
    }

    /// The nearest triangle along `origin + t * direction` with `t` below `limit`.
    pub(crate) fn cast(&self, origin: Vec3, direction: Vec3, limit: f32) -> Option<Hit> {
        if self.nodes.is_empty() {
            return None;
        }
        let inverse = vec3(1.0 / direction.x, 1.0 / direction.y, 1.0 / direction.z);
        let mut best: Option<Hit> = None;
        let mut reach = limit;
        let mut stack = [0u32; 64];
        let mut top = 1;
        while top > 0 {
            top -= 1;
            let index = stack[top] as usize;
            let node = &self.nodes[index];
            if !meets(node, origin, inverse, reach) {
                continue;
            }
            if node.count == 0 {
                // The near side first, so that the far one can often be left out.
                let backwards = [direction.x, direction.y, direction.z][usize::from(node.axis)] < 0.0;
                let (near, far) =
                    if backwards { (node.start, index as u32 + 1) } else { (index as u32 + 1, node.start) };
                if top + 2 <= stack.len() {
                    stack[top] = far;
                    stack[top + 1] = near;
                    top += 2;
                }
                continue;
            }
            for k in node.start as usize..(node.start + node.count) as usize {
                if let Some(distance) = meets_triangle(&self.corners[k], origin, direction, reach) {
                    reach = distance;
                    best = Some(Hit { distance, tri: self.order[k] });
                }
            }
        }
        best
    }
}

fn meets(node: &Node, origin: Vec3, inverse: Vec3, reach: f32) -> bool {
    let (a, b) = ((node.low - origin).times(inverse), (node.high - origin).times(inverse));
    let (near, far) = (a.min(b), a.max(b));
    let enter = most(most(near.x, near.y), most(near.z, 0.0));
    let leave = least(least(far.x, far.y), least(far.z, reach));
    enter <= leave
}

/// Moeller and Trumbore's test, both sides.
fn meets_triangle(c: &[Vec3; 3], origin: Vec3, direction: Vec3, reach: f32) -> Option<f32> {
    let (e1, e2) = (c[1] - c[0], c[2] - c[0]);
    let p = direction.cross(e2);
    let det = e1.dot(p);
    if det.abs() < 1e-12 {
        return None;
    }
    let scale = 1.0 / det;
    let s = origin - c[0];
    let u = s.dot(p) * scale;
    let q = s.cross(e1);
    let v = direction.dot(q) * scale;
    let t = e2.dot(q) * scale;
    (u >= 0.0 && v >= 0.0 && u + v <= 1.0 && t > 1e-4 && t < reach).then_some(t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::Rng;

    #[test]
    fn the_tree_finds_what_trying_every_triangle_finds() {
        let mesh = crate::mesh::car::car([4.4, 1.8, 1.5], 5, false);
        let tree = Bvh::new(&mesh);
        let mut rng = Rng::new(1, 1);
        let mut hits = 0;
        for _ in 0..400 {
            let origin = vec3(rng.range(-8.0, 8.0), rng.range(-8.0, 8.0), rng.range(0.2, 3.0));
            let target = vec3(rng.range(-2.0, 2.0), rng.range(-0.8, 0.8), rng.range(0.3, 1.3));
            let direction = (target - origin).unit();
            let slow = mesh
                .tris
                .iter()
                .filter_map(|t| meets_triangle(&mesh.corners(t), origin, direction, 100.0))
                .fold(f32::INFINITY, f32::min);
            let fast = tree.cast(origin, direction, 100.0).map_or(f32::INFINITY, |h| h.distance);
            assert_eq!(slow, fast);
            hits += usize::from(fast.is_finite());
        }
        assert!(hits > 300);
    }
}
