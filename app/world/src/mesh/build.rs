//! Building blocks: quads, boxes, lofted grids, tubes, ellipsoids.

use super::{Material, Mesh, Paint, Tri, Vertex};
use crate::math::{Vec3, vec3};

/// What newly added triangles are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stuff {
    pub(crate) material: Material,
    pub(crate) paint: u16,
    pub(crate) double: bool,
    pub(crate) part: u8,
}

impl Stuff {
    pub(crate) fn new(material: Material, paint: u16) -> Self {
        Self { material, paint, double: false, part: 0 }
    }

    pub(crate) fn part(self, part: u8) -> Self {
        Self { part, ..self }
    }

    pub(crate) fn double(self) -> Self {
        Self { double: true, ..self }
    }
}

impl Mesh {
    /// Adds a paint and says its index.
    pub(crate) fn paint(&mut self, paint: Paint) -> u16 {
        self.paints.push(paint);
        (self.paints.len() - 1) as u16
    }

    /// A surface of a new plain paint.
    pub(crate) fn stuff(&mut self, material: Material, paint: Paint) -> Stuff {
        Stuff::new(material, self.paint(paint))
    }

    pub(crate) fn tri(&mut self, v: [u32; 3], stuff: Stuff) {
        let Stuff { material, paint, double, part } = stuff;
        self.tris.push(Tri { v, material, paint, double, part });
    }

    fn vertex(&mut self, p: Vec3, n: Vec3, uv: [f32; 2]) -> u32 {
        self.verts.push(Vertex { p, n, uv });
        (self.verts.len() - 1) as u32
    }

    /// A flat quadrilateral, counter-clockwise from outside, with texture coordinates of its corners.
    pub(crate) fn quad_uv(&mut self, p: [Vec3; 4], uv: [[f32; 2]; 4], stuff: Stuff) {
        let n = (p[2] - p[0]).cross(p[3] - p[1]).unit();
        let i: [u32; 4] = std::array::from_fn(|k| self.vertex(p[k], n, uv[k]));
        self.tri([i[0], i[1], i[2]], stuff);
        self.tri([i[0], i[2], i[3]], stuff);
    }

    /// A flat quadrilateral with uv in metres from its first corner.
    pub(crate) fn quad(&mut self, p: [Vec3; 4], stuff: Stuff) {
        let (w, h) = ((p[1] - p[0]).norm(), (p[3] - p[0]).norm());
        self.quad_uv(p, [[0.0, 0.0], [w, 0.0], [w, h], [0.0, h]], stuff);
    }

    /// A flat convex polygon, counter-clockwise from outside.
    pub(crate) fn polygon(&mut self, p: &[Vec3], stuff: Stuff) {
        if p.len() < 3 {
            return;
        }
        let n = (p[1] - p[0]).cross(p[p.len() - 1] - p[0]).unit();
        let first = self.vertex(p[0], n, [0.0, 0.0]);
        let mut last = self.vertex(p[1], n, [0.0, 0.0]);
        for &corner in &p[2..] {
            let next = self.vertex(corner, n, [0.0, 0.0]);
            self.tri([first, last, next], stuff);
            last = next;
        }
    }

    /// An upright box: middle of its floor, size, turned by the unit vector `ahead` (cos, sin).
    pub(crate) fn block(&mut self, floor: Vec3, size: Vec3, ahead: [f32; 2], stuff: Stuff) {
        let (u, v) = (vec3(ahead[0], ahead[1], 0.0) * (size.x * 0.5), vec3(-ahead[1], ahead[0], 0.0) * (size.y * 0.5));
        let top = vec3(0.0, 0.0, size.z);
        let c = [floor + u + v, floor - u + v, floor - u - v, floor + u - v];
        for k in 0..4 {
            let (a, b) = (c[k], c[(k + 1) % 4]);
            self.quad([a, b, b + top, a + top], stuff);
        }
        self.quad([c[0] + top, c[1] + top, c[2] + top, c[3] + top], stuff);
        self.quad([c[3], c[2], c[1], c[0]], stuff);
    }

    /// A smooth sheet through rows of points. With rows along +x, columns must run from left over the top to the right.
    /// `uv` gives texture coordinates of (row, column); `stuff` the surface of each quad.
    pub(crate) fn sheet(
        &mut self,
        rows: &[Vec<Vec3>],
        uv: impl Fn(usize, usize) -> [f32; 2],
        stuff: impl Fn(usize, usize) -> Option<Stuff>,
    ) {
        let columns = rows.first().map_or(0, Vec::len);
        if rows.len() < 2 || columns < 2 || rows.iter().any(|r| r.len() != columns) {
            return;
        }
        let first = self.verts.len() as u32;
        for (r, row) in rows.iter().enumerate() {
            for c in 0..columns {
                let along = rows[(r + 1).min(rows.len() - 1)][c] - rows[r.saturating_sub(1)][c];
                let across = row[(c + 1).min(columns - 1)] - row[c.saturating_sub(1)];
                self.vertex(row[c], across.cross(along).unit(), uv(r, c));
            }
        }
        let at = |r: usize, c: usize| first + (r * columns + c) as u32;
        for r in 0..rows.len() - 1 {
            for c in 0..columns - 1 {
                if let Some(stuff) = stuff(r, c) {
                    self.tri([at(r, c), at(r, c + 1), at(r + 1, c + 1)], stuff);
                    self.tri([at(r, c), at(r + 1, c + 1), at(r + 1, c)], stuff);
                }
            }
        }
    }

    /// A closed tube through rings (middle, half axis one, half axis two), rounded at both ends.
    pub(crate) fn tube(&mut self, rings: &[(Vec3, Vec3, Vec3)], sides: usize, stuff: Stuff) {
        let (Some(head), Some(tail)) = (rings.first(), rings.last()) else { return };
        let first = self.verts.len() as u32;
        let turn: Vec<(f32, f32)> = (0..sides).map(|k| circle(k, sides)).collect();
        for (i, (c, a, b)) in rings.iter().enumerate() {
            let v = i as f32 / (rings.len() - 1).max(1) as f32;
            for (k, (cos, sin)) in turn.iter().enumerate() {
                let out = *a * *cos + *b * *sin;
                // Normal of the ellipse: axes weighted by the inverse of their lengths.
                let (la, lb) = (a.dot(*a).max(1e-9), b.dot(*b).max(1e-9));
                let n = (*a * (cos / la) + *b * (sin / lb)).unit();
                self.vertex(*c + out, n, [k as f32 / sides as f32, v]);
            }
        }
        let at = |i: usize, k: usize| first + (i * sides + k % sides) as u32;
        // Axes a, b and the direction of the tube form a right-handed system when a x b points along it.
        let along = if rings.len() > 1 { rings[1].0 - head.0 } else { Vec3::UP };
        let right_handed = head.1.cross(head.2).dot(along) >= 0.0;
        let face = |mesh: &mut Self, v: [u32; 3]| {
            mesh.tri(if right_handed { v } else { [v[0], v[2], v[1]] }, stuff);
        };
        for i in 0..rings.len() - 1 {
            for k in 0..sides {
                face(self, [at(i, k), at(i, k + 1), at(i + 1, k + 1)]);
                face(self, [at(i, k), at(i + 1, k + 1), at(i + 1, k)]);
            }
        }
        let dir = (tail.0 - head.0).unit();
        let cap = |ring: &(Vec3, Vec3, Vec3)| ring.1.norm().min(ring.2.norm()) * 0.45;
        let (start, end) = (head.0 - dir * cap(head), tail.0 + dir * cap(tail));
        let (s, e) = (self.vertex(start, -dir, [0.5, 0.0]), self.vertex(end, dir, [0.5, 1.0]));
        for k in 0..sides {
            face(self, [s, at(0, k + 1), at(0, k)]);
            face(self, [e, at(rings.len() - 1, k), at(rings.len() - 1, k + 1)]);
        }
    }

    /// A round, tapering limb from `a` to `b`.
    pub(crate) fn limb(&mut self, a: Vec3, b: Vec3, radii: [f32; 2], sides: usize, stuff: Stuff) {
        let (u, v) = across(b - a);
        self.tube(&[(a, u * radii[0], v * radii[0]), (b, u * radii[1], v * radii[1])], sides, stuff);
    }

    /// An upright ellipsoid.
    pub(crate) fn ellipsoid(&mut self, centre: Vec3, radii: Vec3, detail: (usize, usize), stuff: Stuff) {
        let (rings, sides) = detail;
        let steps: Vec<(Vec3, Vec3, Vec3)> = (1..=rings)
            .map(|i| {
                let angle = std::f32::consts::PI * (i as f32 / (rings + 1) as f32 - 0.5);
                let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
                let at = centre + vec3(0.0, 0.0, radii.z * sin);
                (at, vec3(radii.x * cos, 0.0, 0.0), vec3(0.0, radii.y * cos, 0.0))
            })
            .collect();
        self.tube(&steps, sides, stuff);
    }

    /// A wheel with its axle along y: tyre tread and both discs. `radius`, then width.
    pub(crate) fn wheel(&mut self, centre: Vec3, size: [f32; 2], sides: usize, stuff: Stuff) {
        let [radius, width] = size;
        let half = vec3(0.0, width * 0.5, 0.0);
        for k in 0..sides {
            let ((c0, s0), (c1, s1)) = (circle(k, sides), circle(k + 1, sides));
            let (p, q) = (vec3(c0, 0.0, s0) * radius, vec3(c1, 0.0, s1) * radius);
            let tread = [[1.0, 0.0]; 4];
            self.quad_uv([centre + p + half, centre + q + half, centre + q - half, centre + p - half], tread, stuff);
            for (side, flip) in [(half, false), (-half, true)] {
                let n = if flip { vec3(0.0, -1.0, 0.0) } else { vec3(0.0, 1.0, 0.0) };
                let m = self.vertex(centre + side, n, [0.0, 0.0]);
                let a = self.vertex(centre + side + p, n, [c0, s0]);
                let b = self.vertex(centre + side + q, n, [c1, s1]);
                self.tri(if flip { [m, a, b] } else { [m, b, a] }, stuff);
            }
        }
    }

    /// A torus-like tyre with its axle along y: radius of the wheel, radius of the tyre's section.
    pub(crate) fn tyre(&mut self, centre: Vec3, size: [f32; 2], sides: usize, stuff: Stuff) {
        let [radius, section] = size;
        let ring = |k: usize| {
            let (c, s) = circle(k, sides);
            (vec3(c, 0.0, s), centre + vec3(c, 0.0, s) * (radius - section))
        };
        for k in 0..sides {
            let ((u0, c0), (u1, c1)) = (ring(k), ring(k + 1));
            let y = vec3(0.0, section, 0.0);
            let corner = |c: Vec3, u: Vec3, q: usize| match q % 4 {
                0 => c + u * section,
                1 => c - y,
                2 => c - u * section,
                _ => c + y,
            };
            for q in 0..4 {
                let p = [corner(c0, u0, q), corner(c1, u1, q), corner(c1, u1, q + 1), corner(c0, u0, q + 1)];
                self.quad_uv(p, [[1.0, 0.0]; 4], stuff);
            }
        }
    }
}

/// Cosine and sine of the k-th of n steps around a circle.
pub(crate) fn circle(k: usize, n: usize) -> (f32, f32) {
    let angle = std::f32::consts::TAU * (k % n) as f32 / n as f32;
    (libm::cosf(angle), libm::sinf(angle))
}

/// Two unit vectors across a direction, right-handed with it.
pub(crate) fn across(direction: Vec3) -> (Vec3, Vec3) {
    let d = direction.unit();
    let helper = if d.z.abs() < 0.8 { Vec3::UP } else { vec3(1.0, 0.0, 0.0) };
    let u = helper.cross(d).unit();
    (u, d.cross(u))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outward(mesh: &Mesh, centre: Vec3) -> bool {
        mesh.tris.iter().all(|t| {
            let [a, b, c] = mesh.corners(t);
            (b - a).cross(c - a).dot((a + b + c) * (1.0 / 3.0) - centre) > 0.0
        })
    }

    #[test]
    fn closed_shapes_face_outwards() {
        let c = vec3(1.0, 2.0, 3.0);
        let stuff = Stuff::new(Material::Metal, 0);
        let mut block = Mesh::default();
        block.block(c - vec3(0.0, 0.0, 0.5), vec3(2.0, 1.0, 1.0), [0.6, 0.8], stuff);
        assert!(outward(&block, c));
        let mut limb = Mesh::default();
        limb.limb(c - vec3(0.1, 0.4, 0.2), c + vec3(0.1, 0.4, 0.2), [0.2, 0.1], 7, stuff);
        assert!(outward(&limb, c));
        let mut ball = Mesh::default();
        ball.ellipsoid(c, vec3(1.0, 0.5, 0.7), (4, 8), stuff);
        assert!(outward(&ball, c));
        let mut wheel = Mesh::default();
        wheel.wheel(c, [0.3, 0.2], 12, stuff);
        assert!(outward(&wheel, c));
    }
}
