//! What Linux' video devices are asked with: the structures and request numbers of `linux/videodev2.h`, as the kernel's
//! documentation gives them (Video for Linux API, appendix "Video For Linux Two Header File").
//!
//! Written by hand rather than generated: eleven requests of an interface that never changes need no libclang to build. Where
//! the header has a union, the member that a single-planar capture device uses stands here, padded to the union's size.
//! 64-bit systems only. No logic.

use std::mem::size_of;

/// `V4L2_BUF_TYPE_VIDEO_CAPTURE`
pub const CAPTURE: u32 = 1;
/// `V4L2_MEMORY_MMAP`
pub const MEMORY_MMAP: u32 = 1;
/// `V4L2_FIELD_ANY`: the driver's choice; progressive where there is one.
pub const FIELD_ANY: u32 = 0;

/// `V4L2_CAP_VIDEO_CAPTURE`
pub const CAP_CAPTURE: u32 = 0x0000_0001;
/// `V4L2_CAP_VIDEO_CAPTURE_MPLANE`
pub const CAP_CAPTURE_MPLANE: u32 = 0x0000_1000;
/// `V4L2_CAP_STREAMING`
pub const CAP_STREAMING: u32 = 0x0400_0000;
/// `V4L2_CAP_DEVICE_CAPS`: `device_caps` says what this node can do, not only the whole device.
pub const CAP_DEVICE_CAPS: u32 = 0x8000_0000;
/// `V4L2_CAP_TIMEPERFRAME`
pub const CAP_TIME_PER_FRAME: u32 = 0x1000;

/// `V4L2_BUF_FLAG_ERROR`: the data is damaged; the stream goes on.
pub const FLAG_ERROR: u32 = 0x0000_0040;
/// `V4L2_BUF_FLAG_TIMESTAMP_MASK`
pub const FLAG_STAMP_MASK: u32 = 0x0000_e000;
/// `V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC`: the stamp is of `CLOCK_MONOTONIC`.
pub const FLAG_STAMP_MONOTONIC: u32 = 0x0000_2000;

/// `V4L2_FRMSIZE_TYPE_DISCRETE` and `V4L2_FRMIVAL_TYPE_DISCRETE`
pub const DISCRETE: u32 = 1;

/// `struct v4l2_capability`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Capability {
    pub driver: [u8; 16],
    pub card: [u8; 32],
    pub bus_info: [u8; 32],
    pub version: u32,
    pub capabilities: u32,
    pub device_caps: u32,
    pub reserved: [u32; 3],
}

/// `struct v4l2_fmtdesc`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FormatDescription {
    pub index: u32,
    pub kind: u32,
    pub flags: u32,
    pub description: [u8; 32],
    pub pixel_format: u32,
    pub mbus_code: u32,
    pub reserved: [u32; 3],
}

/// `struct v4l2_frmsizeenum`; `size` is width and height where discrete, else min, max and step of each.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FrameSize {
    pub index: u32,
    pub pixel_format: u32,
    pub kind: u32,
    pub size: [u32; 6],
    pub reserved: [u32; 2],
}

/// `struct v4l2_frmivalenum`; `interval` is a fraction where discrete, else the shortest, the longest and the step.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FrameInterval {
    pub index: u32,
    pub pixel_format: u32,
    pub width: u32,
    pub height: u32,
    pub kind: u32,
    pub interval: [u32; 6],
    pub reserved: [u32; 2],
}

/// `struct v4l2_format` with `struct v4l2_pix_format`
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub struct Format {
    pub kind: u32,
    /// The union is aligned to the pointers that another member has.
    pub padding: u32,
    pub width: u32,
    pub height: u32,
    pub pixel_format: u32,
    pub field: u32,
    pub bytes_per_line: u32,
    pub size_image: u32,
    pub rest: [u32; 44],
}

/// `struct v4l2_streamparm` with `struct v4l2_captureparm`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct StreamParameters {
    pub kind: u32,
    pub capability: u32,
    pub capture_mode: u32,
    /// Seconds per frame: numerator, denominator.
    pub time_per_frame: [u32; 2],
    pub rest: [u32; 46],
}

/// `struct v4l2_requestbuffers`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RequestBuffers {
    pub count: u32,
    pub kind: u32,
    pub memory: u32,
    pub capabilities: u32,
    pub flags: u32,
}

/// `struct v4l2_buffer`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Buffer {
    pub index: u32,
    pub kind: u32,
    pub bytes_used: u32,
    pub flags: u32,
    pub field: u32,
    pub padding: u32,
    pub seconds: i64,
    pub microseconds: i64,
    pub timecode: [u32; 4],
    pub sequence: u32,
    pub memory: u32,
    /// Of the buffer in the device's memory, for `mmap`; the union's member of the device's own memory.
    pub offset: u64,
    pub length: u32,
    pub reserved: u32,
    pub request: u32,
    pub padding_end: u32,
}

const WRITE: u64 = 1;
const READ: u64 = 2;

/// `_IOC` of the architectures we run on (x86-64, AArch64).
const fn request<T>(direction: u64, number: u64) -> u64 {
    direction << 30 | (size_of::<T>() as u64) << 16 | (b'V' as u64) << 8 | number
}

pub const QUERYCAP: u64 = request::<Capability>(READ, 0);
pub const ENUM_FMT: u64 = request::<FormatDescription>(READ | WRITE, 2);
pub const G_FMT: u64 = request::<Format>(READ | WRITE, 4);
pub const S_FMT: u64 = request::<Format>(READ | WRITE, 5);
pub const REQBUFS: u64 = request::<RequestBuffers>(READ | WRITE, 8);
pub const QUERYBUF: u64 = request::<Buffer>(READ | WRITE, 9);
pub const QBUF: u64 = request::<Buffer>(READ | WRITE, 15);
pub const DQBUF: u64 = request::<Buffer>(READ | WRITE, 17);
pub const STREAMON: u64 = request::<u32>(WRITE, 18);
pub const STREAMOFF: u64 = request::<u32>(WRITE, 19);
pub const G_PARM: u64 = request::<StreamParameters>(READ | WRITE, 21);
pub const S_PARM: u64 = request::<StreamParameters>(READ | WRITE, 22);
pub const ENUM_FRAMESIZES: u64 = request::<FrameSize>(READ | WRITE, 74);
pub const ENUM_FRAMEINTERVALS: u64 = request::<FrameInterval>(READ | WRITE, 75);

/// A structure of plain numbers, of which all zeros is a valid value.
///
/// # Safety
/// Only for `repr(C)` structures of integers without gaps between their fields.
pub unsafe trait Plain: Copy {
    /// All zeros.
    fn zeroed() -> Self {
        // SAFETY: the trait is only for structures of integers.
        unsafe { std::mem::zeroed() }
    }
}

/// Marks structures of integers as such.
macro_rules! plain {
    ($($name:ty),*) => {$(
        // SAFETY: `repr(C)`, fields are integers and arrays of them, padding is written out.
        unsafe impl Plain for $name {}
    )*};
}

plain!(u32, Capability, FormatDescription, FrameSize, FrameInterval, Format, StreamParameters, RequestBuffers, Buffer);

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that `linux/videodev2.h` comes to on 64-bit systems, printed by a C program.
    #[test]
    fn requests_have_the_kernels_numbers() {
        assert_eq!(QUERYCAP, 0x8068_5600);
        assert_eq!(ENUM_FMT, 0xc040_5602);
        assert_eq!(G_FMT, 0xc0d0_5604);
        assert_eq!(S_FMT, 0xc0d0_5605);
        assert_eq!(REQBUFS, 0xc014_5608);
        assert_eq!(QUERYBUF, 0xc058_5609);
        assert_eq!(QBUF, 0xc058_560f);
        assert_eq!(DQBUF, 0xc058_5611);
        assert_eq!(STREAMON, 0x4004_5612);
        assert_eq!(STREAMOFF, 0x4004_5613);
        assert_eq!(G_PARM, 0xc0cc_5615);
        assert_eq!(S_PARM, 0xc0cc_5616);
        assert_eq!(ENUM_FRAMESIZES, 0xc02c_564a);
        assert_eq!(ENUM_FRAMEINTERVALS, 0xc034_564b);
    }
}
