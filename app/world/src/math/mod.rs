//! Arithmetic that gives the same bits on every machine: vectors, poses, hashes, noise.
//!
//! Only `+ - * /` and `sqrt` of IEEE 754 and functions of the `libm` crate are used; nothing is fused or reassociated.

pub(crate) mod hash;
pub(crate) mod pose;
pub(crate) mod vec;

pub(crate) use hash::{Rng, fbm2, hash2, hash3, noise2, noise3, unit};
pub(crate) use ocellus_percept::wide;
pub(crate) use pose::{Affine, Pose};
pub(crate) use vec::{Rgb, Vec3, clamp01, least, lerp, most, smoothstep, vec3};

/// Largest integer not above `x`; faster than a call to the C library on plain x86-64.
#[inline(always)]
pub(crate) fn floor_i32(x: f32) -> i32 {
    let i = x as i32;
    i - i32::from((i as f32) > x)
}

/// `x` minus its floor, 0 to 1.
#[inline(always)]
pub(crate) fn fract(x: f32) -> f32 {
    x - floor_i32(x) as f32
}

/// exp(-x) for x >= 0, good to about 1e-4: haze and falloffs, where the exact function costs too much per pixel.
#[inline(always)]
pub(crate) fn exp_neg(x: f32) -> f32 {
    // (1 + x/16 + x^2/512)^-16: the second-order series of exp(x/16), raised by squaring.
    let y = x * 0.0625;
    let base = 1.0 + y * (1.0 + y * (0.5 + y * 0.166_666_67));
    let b2 = base * base;
    let b4 = b2 * b2;
    let b8 = b4 * b4;
    1.0 / (b8 * b8)
}

/// Smallest representable angle difference `a - b`, in -pi..=pi.
pub(crate) fn angle_difference(a: f64, b: f64) -> f64 {
    let d = a - b;
    libm::atan2(libm::sin(d), libm::cos(d))
}
