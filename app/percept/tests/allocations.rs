//! Once warm, a frame is preprocessed and decoded without touching the heap.
//!
//! One test in its own process: the counter sees every thread.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use ocellus_percept::image::{ImageView, PixelFormat};
use ocellus_percept::model::{ElementType, IoInfo, recognise};
use ocellus_percept::tensor::{Decoder, Preprocessor, TensorData, TensorView};

/// The system's allocator, counting.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; the default `realloc` and `alloc_zeroed` come through here.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations of `frame`, once it has run twice.
fn allocations(mut frame: impl FnMut()) -> usize {
    frame();
    frame();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    frame();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

fn io(name: &str, shape: &[usize]) -> IoInfo {
    IoInfo { name: name.to_owned(), element: Some(ElementType::F32), shape: shape.iter().copied().map(Some).collect() }
}

#[test]
fn a_warm_frame_allocates_nothing() {
    // Boxes with masks: the head with the most to keep.
    let (boxes, protos) = ([1, 4 + 3 + 8, 2100], [1, 8, 80, 80]);
    let outputs = [io("boxes", &boxes), io("protos", &protos)];
    let spec = recognise("net", &[io("images", &[1, 3, 320, 320])], &outputs, &BTreeMap::new()).unwrap();
    let mut preprocessor = Preprocessor::new(&spec.input).unwrap();
    let mut input = vec![0.0; preprocessor.output_len()];
    let (width, height) = (640, 360);
    let formats = [PixelFormat::Rgb8, PixelFormat::Bgr8, PixelFormat::Gray8, PixelFormat::Yuyv, PixelFormat::Nv12];
    for format in formats {
        let bytes = vec![90; format.image_bytes(width, height)];
        let picture = ImageView::new(width, height, format, &bytes).unwrap();
        let count = allocations(|| {
            preprocessor.run(picture, &mut input).unwrap();
        });
        assert_eq!(count, 0, "preprocessing {format:?}");
    }
    let geometry = {
        let bytes = vec![90; width * height];
        preprocessor.run(ImageView::new(width, height, PixelFormat::Gray8, &bytes).unwrap(), &mut input).unwrap()
    };
    let mut values = vec![0.0f32; boxes.iter().product()];
    for column in (0..2100).step_by(100) {
        let row = [10.0 + column as f32 / 10.0, 160.0, 40.0, 60.0, 0.1, 0.9, 0.2, 1.0, -1.0];
        row.iter().enumerate().for_each(|(channel, &value)| values[channel * 2100 + column] = value);
    }
    let ones = vec![0.5f32; protos.iter().product()];
    let views = [
        TensorView { name: "boxes", shape: &boxes, data: TensorData::F32(&values) },
        TensorView { name: "protos", shape: &protos, data: TensorData::F32(&ones) },
    ];
    let mut decoder = Decoder::new(&spec, &outputs).unwrap();
    let mut found = Vec::new();
    let count = allocations(|| {
        decoder.decode(&views, &geometry, &spec.thresholds, &mut found).unwrap();
    });
    assert!(found.len() > 3 && found.iter().all(|d| d.mask.is_some()), "{}", found.len());
    assert_eq!(count, 0, "decoding");
}
