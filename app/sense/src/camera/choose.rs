//! Which of a camera's formats to take.
//!
//! Where none is asked for: the cheapest to read among those that reach the rate at the size, for a camera at the end of a
//! slow bus often gives its best rate as JPEG only.

use std::cmp::Reverse;

use super::{CameraError, CameraOptions, Offer, OfferedSize, PictureFormat};

/// A rate this much lower than asked for is still the one asked for: 29.97 for 30.
const RATE_TOLERANCE: f64 = 0.02;

impl OfferedSize {
    /// Whether pictures can have this size.
    fn holds(&self, (width, height): (u32, u32)) -> bool {
        let smallest = self.smallest.unwrap_or(self.size);
        (smallest.0..=self.size.0).contains(&width) && (smallest.1..=self.size.1).contains(&height)
    }

    /// The highest rate, where the driver tells.
    fn hz_max(&self) -> Option<f64> {
        self.hz.iter().copied().reduce(f64::max)
    }
}

/// How well an offer does what is asked: the size, then the rate, then how cheap it is to read. The greatest is the best.
fn merit(offer: &Offer, format: PictureFormat, options: &CameraOptions) -> (bool, i64, Reverse<PictureFormat>) {
    let of_size = offer.sizes.iter().filter(|s| options.size.is_none_or(|size| s.holds(size)));
    let rates: Vec<f64> = of_size.clone().filter_map(OfferedSize::hz_max).collect();
    let fits = of_size.count() > 0 || offer.sizes.is_empty();
    let best = rates.iter().copied().reduce(f64::max);
    let rate = match (options.hz, best) {
        (Some(wanted), Some(hz)) if hz < wanted * (1.0 - RATE_TOLERANCE) => (hz * 100.0) as i64,
        // Enough is enough; a driver that does not tell is believed.
        _ => i64::MAX,
    };
    (fits, rate, Reverse(format))
}

/// The format to take of those offered.
pub(super) fn choose(device: &str, offers: &[Offer], options: &CameraOptions) -> Result<PictureFormat, CameraError> {
    let wanted = |format: &PictureFormat| options.format.is_none_or(|wanted| wanted == *format);
    let known = offers.iter().filter_map(|o| o.format.filter(wanted).map(|f| (o, f)));
    let best = known.max_by_key(|(offer, format)| merit(offer, *format, options));
    best.map(|(_, format)| format).ok_or_else(|| CameraError::Format {
        device: device.to_owned(),
        wanted: options.format.map_or_else(PictureFormat::names, |format| format.to_string()),
        offered: match offers {
            [] => "nothing".to_owned(),
            some => some.iter().map(|o| o.code.as_str()).collect::<Vec<_>>().join(", "),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::format::letters;

    fn offer(format: PictureFormat, sizes: &[((u32, u32), f64)]) -> Offer {
        let sizes = sizes.iter().map(|(size, hz)| OfferedSize { size: *size, smallest: None, hz: vec![*hz, 5.0] });
        Offer { code: letters(format.code()), format: Some(format), sizes: sizes.collect() }
    }

    fn options(size: Option<(u32, u32)>, hz: Option<f64>) -> CameraOptions {
        CameraOptions { device: "0".into(), format: None, size, hz }
    }

    /// A usual webcam: raw at full rate while small, JPEG at full rate whatever the size.
    fn webcam() -> [Offer; 2] {
        let (vga, hd) = ((640, 480), (1280, 720));
        [
            offer(PictureFormat::Yuyv, &[(vga, 30.0), (hd, 10.0)]),
            offer(PictureFormat::Mjpeg, &[(vga, 30.0), (hd, 30.0)]),
        ]
    }

    #[test]
    fn the_cheapest_format_that_reaches_the_rate_is_taken() {
        let chosen = |size, hz| choose("d", &webcam(), &options(size, hz)).unwrap();
        assert_eq!(chosen(Some((640, 480)), Some(30.0)), PictureFormat::Yuyv);
        assert_eq!(chosen(Some((1280, 720)), Some(30.0)), PictureFormat::Mjpeg);
        assert_eq!(chosen(Some((1280, 720)), Some(10.0)), PictureFormat::Yuyv);
        assert_eq!(chosen(Some((1280, 720)), None), PictureFormat::Yuyv);
        assert_eq!(chosen(Some((1280, 720)), Some(60.0)), PictureFormat::Mjpeg, "the nearest");
        assert_eq!(chosen(Some((640, 480)), Some(30.3)), PictureFormat::Yuyv, "within the tolerance");
    }

    #[test]
    fn a_format_that_has_the_size_is_better_than_one_that_has_not() {
        let offers =
            [offer(PictureFormat::Nv12, &[((320, 240), 30.0)]), offer(PictureFormat::Grey, &[((800, 600), 5.0)])];
        assert_eq!(choose("d", &offers, &options(Some((800, 600)), Some(30.0))).unwrap(), PictureFormat::Grey);
        let any = OfferedSize { size: (1920, 1080), smallest: Some((16, 16)), hz: vec![60.0] };
        let stepped = [Offer { sizes: vec![any], ..offer(PictureFormat::Uyvy, &[]) }];
        assert_eq!(choose("d", &stepped, &options(Some((800, 600)), None)).unwrap(), PictureFormat::Uyvy);
    }

    #[test]
    fn a_format_asked_for_and_not_offered_is_named_with_those_that_are() {
        let wanted = CameraOptions { format: Some(PictureFormat::Nv12), ..options(None, None) };
        let text = choose("/dev/video0", &webcam(), &wanted).unwrap_err().to_string();
        assert!(text.contains("/dev/video0") && text.contains("nv12") && text.contains("YUYV, MJPG"), "{text}");
        let bayer = [Offer { code: "RG10".into(), format: None, sizes: Vec::new() }];
        assert!(choose("d", &bayer, &options(None, None)).unwrap_err().to_string().contains("RG10"));
    }
}
