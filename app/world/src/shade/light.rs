//! The light of a scene: sun, sky, haze, exposure, wetness, snow, from time of day, weather and seed.
//!
//! Radiance is relative: a white wall in full sunlight is about 1.

use crate::math::{Rgb, Rng, Vec3, lerp, vec3};
use crate::scenario::{LightSpec, RoadStyle, TimeOfDay, Weather};

/// Everything shaders need to know about light.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Light {
    pub(crate) to_sun: Vec3,
    pub(crate) sun: Rgb,
    pub(crate) zenith: Rgb,
    pub(crate) horizon: Rgb,
    /// Light of the whole sky on a surface that faces up.
    overhead: Rgb,
    /// Light bounced up from the ground.
    pub(crate) bounce: Rgb,
    pub(crate) haze: Rgb,
    /// Extinction per metre.
    pub(crate) haze_per_m: f32,
    /// Share of the sky under cloud.
    pub(crate) cloud: f32,
    pub(crate) night: bool,
    /// Vehicles drive with lights on.
    pub(crate) lights_on: bool,
    pub(crate) lamps_on: bool,
    pub(crate) lamps_stand: bool,
    pub(crate) wet: f32,
    pub(crate) snow: f32,
    pub(crate) weather: Weather,
    /// Factor from radiance to the sensor.
    pub(crate) exposure: f32,
    /// Colour cast of the camera's white balance.
    pub(crate) balance: Rgb,
    pub(crate) exposure_s: f32,
    pub(crate) noise: f32,
    pub(crate) seed: u32,
}

/// ln 20: contrast left at the visibility distance is 5 %.
const VISIBILITY_DECADES: f32 = 2.995_732_3;

impl Light {
    pub(crate) fn new(spec: &LightSpec, style: RoadStyle, seed: u64) -> Self {
        let mut rng = Rng::new(seed, 0x11947);
        let overcast = matches!(spec.weather, Weather::Cloudy | Weather::Rain | Weather::Fog | Weather::Snow);
        let (low, high) = match spec.time {
            TimeOfDay::Day => (22.0, 62.0),
            TimeOfDay::Dusk => (3.0, 8.0),
            TimeOfDay::Night => (-25.0, -15.0),
        };
        let drawn = (rng.range(low, high), rng.range(-180.0, 180.0));
        let elevation = spec.sun_elevation_deg.map_or(drawn.0, |v| v as f32).to_radians();
        let azimuth = spec.sun_azimuth_deg.map_or(drawn.1, |v| v as f32).to_radians();
        let (ce, se) = (libm::cosf(elevation), libm::sinf(elevation));
        let to_sun = vec3(ce * libm::cosf(azimuth), ce * libm::sinf(azimuth), se);
        let mut light = Self::base(spec.time, overcast, &mut rng);
        light.to_sun = if to_sun.z > 0.02 { to_sun } else { vec3(to_sun.x, to_sun.y, 0.3).unit() };
        light.weather = spec.weather;
        light.lamps_stand = spec.street_lamps.unwrap_or(matches!(style, RoadStyle::City | RoadStyle::Suburb));
        light.lamps_on = light.lamps_stand && spec.time != TimeOfDay::Day;
        let visibility = spec.visibility_m.map_or_else(|| usual_visibility(spec.weather, &mut rng), |v| v as f32);
        light.haze_per_m = VISIBILITY_DECADES / visibility;
        light.lights_on |= overcast && spec.weather != Weather::Cloudy;
        light.wet = if spec.weather == Weather::Rain { rng.range(0.6, 1.0) } else { 0.0 };
        light.snow = if spec.weather == Weather::Snow { rng.range(0.55, 1.0) } else { 0.0 };
        if light.snow > 0.0 {
            light.bounce = light.bounce * 2.5;
        }
        light.balance = vec3(rng.range(0.94, 1.06), 1.0, rng.range(0.94, 1.06));
        light.exposure *= libm::exp2f(rng.range(-0.25, 0.25));
        light.seed = rng.next_u32();
        light.overhead = light.zenith.mix(light.horizon, 0.68);
        light
    }

    fn base(time: TimeOfDay, overcast: bool, rng: &mut Rng) -> Self {
        let (sun, zenith, horizon, exposure) = match (time, overcast) {
            (TimeOfDay::Day, false) => {
                (vec3(1.0, 0.93, 0.80) * 1.9, vec3(0.17, 0.32, 0.68), vec3(0.62, 0.73, 0.90), 1.15)
            }
            (TimeOfDay::Day, true) => (vec3(0.0, 0.0, 0.0), vec3(0.62, 0.66, 0.72), vec3(0.78, 0.80, 0.83), 1.35),
            (TimeOfDay::Dusk, false) => {
                (vec3(1.0, 0.55, 0.25) * 0.75, vec3(0.10, 0.16, 0.34), vec3(0.75, 0.45, 0.28), 2.2)
            }
            (TimeOfDay::Dusk, true) => (vec3(0.0, 0.0, 0.0), vec3(0.17, 0.19, 0.25), vec3(0.30, 0.28, 0.29), 3.6),
            (TimeOfDay::Night, _) => (vec3(0.0, 0.0, 0.0), vec3(0.004, 0.006, 0.012), vec3(0.016, 0.015, 0.018), 9.0),
        };
        let night = time == TimeOfDay::Night;
        let tint = vec3(rng.range(0.92, 1.08), rng.range(0.95, 1.05), rng.range(0.92, 1.08));
        Self {
            to_sun: Vec3::UP,
            sun: sun.times(tint),
            zenith: zenith.times(tint),
            horizon: horizon.times(tint),
            overhead: Vec3::ZERO,
            bounce: (horizon + sun * 0.35) * 0.16,
            haze: horizon.mix(zenith, if overcast { 0.35 } else { 0.12 }),
            haze_per_m: 0.0,
            cloud: if overcast { 1.0 } else { rng.range(0.1, 0.6) },
            night,
            lights_on: time != TimeOfDay::Day,
            lamps_on: false,
            lamps_stand: false,
            wet: 0.0,
            snow: 0.0,
            weather: Weather::Clear,
            exposure,
            balance: Vec3::splat(1.0),
            exposure_s: match (time, overcast) {
                (TimeOfDay::Day, false) => 0.003,
                (TimeOfDay::Day, true) => 0.007,
                (TimeOfDay::Dusk, _) => 0.013,
                (TimeOfDay::Night, _) => 0.022,
            },
            noise: match time {
                TimeOfDay::Day => 0.6,
                TimeOfDay::Dusk => 1.2,
                TimeOfDay::Night => 2.2,
            },
            seed: 0,
        }
    }

    /// Light from the sky and the ground on a surface facing `n`.
    #[inline(always)]
    pub(crate) fn ambient(&self, n: Vec3) -> Rgb {
        let up = 0.5 + 0.5 * n.z;
        self.bounce.mix(self.overhead, up)
    }

    /// Share of a surface's light that haze replaces at a distance.
    #[inline(always)]
    pub(crate) fn haze_share(&self, distance_m: f32) -> f32 {
        1.0 - crate::math::exp_neg(distance_m * self.haze_per_m)
    }
}

fn usual_visibility(weather: Weather, rng: &mut Rng) -> f32 {
    let t = rng.unit();
    match weather {
        Weather::Clear => lerp(2500.0, 6000.0, t),
        Weather::Cloudy => lerp(1500.0, 4000.0, t),
        Weather::Rain => lerp(350.0, 900.0, t),
        Weather::Fog => lerp(55.0, 140.0, t),
        Weather::Snow => lerp(140.0, 450.0, t),
    }
}

impl Light {
    /// Whether it is dark enough for lamps in windows and shops to show.
    #[inline(always)]
    pub(crate) fn lamps_on_or_dark(&self) -> bool {
        self.night || (self.lights_on && self.sun.x < 1.0 && self.zenith.x < 0.3)
    }
}
