//! A borrowed network output: name, shape and elements.

/// The elements of a tensor, row-major.
#[derive(Debug, Clone, Copy)]
pub enum TensorData<'a> {
    /// 32-bit floats. Half-precision outputs are widened before they come here.
    F32(&'a [f32]),
    /// 64-bit integers.
    I64(&'a [i64]),
}

/// One output of a network.
#[derive(Debug, Clone, Copy)]
pub struct TensorView<'a> {
    /// The tensor's name.
    pub name: &'a str,
    /// Dimensions, outermost first.
    pub shape: &'a [usize],
    /// `shape`'s product elements.
    pub data: TensorData<'a>,
}
