//! What a detector says of one picture, in pixels of the source image.

/// An axis-aligned box in continuous pixel coordinates of the source image: `x0 <= x1`, `y0 <= y1`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BoxPx {
    /// Left edge.
    pub x0: f32,
    /// Top edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Bottom edge.
    pub y1: f32,
}

impl BoxPx {
    /// Width, never negative.
    pub fn width(&self) -> f32 {
        (self.x1 - self.x0).max(0.0)
    }

    /// Height, never negative.
    pub fn height(&self) -> f32 {
        (self.y1 - self.y0).max(0.0)
    }

    /// Area, never negative.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// What of it lies in a picture of this width and height.
    #[must_use]
    pub fn within(&self, (width, height): (usize, usize)) -> Self {
        let (width, height) = (width as f32, height as f32);
        Self {
            x0: self.x0.clamp(0.0, width),
            y0: self.y0.clamp(0.0, height),
            x1: self.x1.clamp(0.0, width),
            y1: self.y1.clamp(0.0, height),
        }
    }

    /// Intersection over union, 0 where both are empty.
    pub fn iou(&self, other: &Self) -> f32 {
        let w = (self.x1.min(other.x1) - self.x0.max(other.x0)).max(0.0);
        let h = (self.y1.min(other.y1) - self.y0.max(other.y0)).max(0.0);
        let inter = w * h;
        let union = self.area() + other.area() - inter;
        if union > 0.0 { inter / union } else { 0.0 }
    }
}

/// One detection. `class` indexes the model's class list.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Where, in pixels of the source image.
    pub bbox: BoxPx,
    /// Confidence, 0 to 1.
    pub score: f32,
    /// Index into the model's classes.
    pub class: u32,
    /// The instance's mask, for networks that give one.
    pub mask: Option<Mask>,
}

/// A binary instance mask over a rectangle of the source image, one byte a pixel (0 or 1), row-major.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mask {
    /// Column of the rectangle's left edge in the source image.
    pub x: u32,
    /// Row of its top edge.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width * height` bytes, 1 inside the instance.
    pub data: Vec<u8>,
}

impl Mask {
    /// Whether the source pixel (column, row) belongs to the instance.
    pub fn contains(&self, column: u32, row: u32) -> bool {
        let inside = column >= self.x && row >= self.y && column - self.x < self.width && row - self.y < self.height;
        inside && self.data.get(((row - self.y) * self.width + (column - self.x)) as usize).is_some_and(|&m| m != 0)
    }
}
