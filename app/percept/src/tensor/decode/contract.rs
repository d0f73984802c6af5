//! The tensor contract: declared outputs against what a head needs, and each run's shapes against the same.

use crate::model::{ElementType, HeadFamily, IoInfo};
use crate::tensor::decode::DecodeError;
use crate::tensor::{TensorData, TensorView};

/// Text of a shape, `N` where a dimension is dynamic: `(1, 84, N)`.
pub(crate) fn shape_text(shape: &[Option<usize>]) -> String {
    let dims: Vec<_> = shape.iter().map(|d| d.map_or_else(|| "N".to_owned(), |d| d.to_string())).collect();
    format!("({})", dims.join(", "))
}

fn known_shape_text(shape: &[usize]) -> String {
    shape_text(&shape.iter().copied().map(Some).collect::<Vec<_>>())
}

/// The declared outputs do not fit.
pub(super) fn misfit(head: HeadFamily, expected: impl Into<String>, outputs: &[IoInfo]) -> DecodeError {
    let names: Vec<_> = outputs.iter().map(|o| format!("{} {}", o.name, shape_text(&o.shape))).collect();
    DecodeError::Contract { head, expected: expected.into(), got: names.join(", ") }
}

/// Whether a declared dimension can be `want` (`None` wants nothing in particular).
fn dim_fits(declared: Option<usize>, want: Option<usize>) -> bool {
    declared.is_none() || want.is_none() || declared == want
}

/// Whether `io` can be a batch of one of `want`; the batch dimension itself may be missing.
pub(super) fn declares(io: &IoInfo, want: &[Option<usize>]) -> bool {
    let inner = match io.shape.len().checked_sub(want.len()) {
        Some(0) => &io.shape[..],
        Some(1) if dim_fits(io.shape[0], Some(1)) => &io.shape[1..],
        _ => return false,
    };
    inner.iter().zip(want).all(|(&d, &w)| dim_fits(d, w))
}

/// Whether `io` holds floats we can read.
pub(super) fn is_float(io: &IoInfo) -> bool {
    matches!(io.element, Some(ElementType::F32 | ElementType::F16))
}

/// The floats of `view`, which must be a batch of one of `want` (the batch dimension may be missing), with the
/// dimensions after the batch.
pub(super) fn floats<'a, const RANK: usize>(
    view: &TensorView<'a>,
    want: [Option<usize>; RANK],
) -> Result<([usize; RANK], &'a [f32]), DecodeError> {
    let dims = inner_dims(view, want)?;
    let TensorData::F32(data) = view.data else {
        return Err(DecodeError::Element { output: view.name.to_owned(), expected: "floats", got: "integers" });
    };
    check_len(view, data.len())?;
    Ok((dims, data))
}

/// The dimensions of `view` after its batch of one, which must fit `want`.
pub(super) fn inner_dims<const RANK: usize>(
    view: &TensorView<'_>,
    want: [Option<usize>; RANK],
) -> Result<[usize; RANK], DecodeError> {
    let inner = if view.shape.len() == RANK + 1 && view.shape[0] == 1 { &view.shape[1..] } else { view.shape };
    match <[usize; RANK]>::try_from(inner) {
        Ok(dims) if dims.iter().zip(want).all(|(&d, w)| dim_fits(Some(d), w)) => Ok(dims),
        _ => {
            let batch = [Some(1)];
            let expected: Vec<_> = batch.into_iter().chain(want).collect();
            Err(DecodeError::Shape {
                output: view.name.to_owned(),
                expected: shape_text(&expected),
                got: known_shape_text(view.shape),
            })
        }
    }
}

/// Whether the shape's product is the number of elements.
pub(super) fn check_len(view: &TensorView<'_>, got: usize) -> Result<(), DecodeError> {
    let expected = view.shape.iter().product();
    if expected == got {
        return Ok(());
    }
    Err(DecodeError::Elements { output: view.name.to_owned(), shape: known_shape_text(view.shape), expected, got })
}

/// Cells of the grid a stride makes of an input: (columns, rows), the last one possibly partial.
pub(super) fn grid(width: usize, height: usize, stride: usize) -> (usize, usize) {
    (width.div_ceil(stride.max(1)), height.div_ceil(stride.max(1)))
}

/// Cells of all grids.
pub(crate) fn grid_cells(width: usize, height: usize, strides: &[usize]) -> usize {
    strides.iter().map(|&s| grid(width, height, s)).map(|(columns, rows)| columns * rows).sum()
}

/// The rows, columns and values of a depth map: (1, h, w) or (1, 1, h, w).
pub(crate) fn depth_values<'a>(view: &TensorView<'a>) -> Result<([usize; 2], &'a [f32]), DecodeError> {
    if view.shape.len() == 4 {
        let ([_, height, width], data) = floats(view, [Some(1), None, None])?;
        return Ok(([height, width], data));
    }
    floats(view, [None, None])
}
