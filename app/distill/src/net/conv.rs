//! Convolution on the CPU, forward and backward: patches gathered in tiles that stay in cache, then a matrix product.
//!
//! One picture at a time, channels first, zero padding of `kernel / 2`, no bias, no groups. Every sum has a fixed order,
//! so the result does not depend on how pictures are shared out among threads.

use gemm_common::Parallelism;

/// Floats of gathered patches worked on at once: what stays in a core's second-level cache beside the weights.
const TILE: usize = 96 * 1024;

/// The shape of one convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// Side of the kernel: 1 or 3.
    pub kernel: usize,
    /// Step: 1 or 2.
    pub stride: usize,
    /// Rows in.
    pub height: usize,
    /// Columns in.
    pub width: usize,
}

/// A strided view of a matrix in a slice: element (r, c) is at `r * row + c * column`.
struct Matrix {
    row: usize,
    column: usize,
}

impl Matrix {
    /// The index one past the last element of `rows` x `columns`.
    fn end(&self, rows: usize, columns: usize) -> usize {
        if rows == 0 || columns == 0 { 0 } else { (rows - 1) * self.row + (columns - 1) * self.column + 1 }
    }
}

/// `out (m x n) = [out +] a (m x k) * b (k x n)`, where the columns of `out` are its neighbours in memory.
fn product(
    (m, n, k): (usize, usize, usize),
    (out, out_at): (&mut [f32], Matrix),
    (a, a_at): (&[f32], Matrix),
    (b, b_at): (&[f32], Matrix),
    add: bool,
) {
    assert!(out.len() >= out_at.end(m, n) && a.len() >= a_at.end(m, k) && b.len() >= b_at.end(k, n), "matrix in slice");
    let step = |s: usize| s as isize;
    let multiply = gemm_f32::gemm::f32::get_gemm_fn();
    // The kernel wants rows next to one another in the result: the transposed product, `outᵀ = bᵀ aᵀ`.
    // SAFETY: the assertion above shows that every element the three views reach lies in its slice; the slices are
    // borrowed for the call, and `out`, borrowed mutably, overlaps neither operand.
    unsafe {
        multiply(
            n,
            m,
            k,
            out.as_mut_ptr(),
            step(out_at.row),
            step(out_at.column),
            add,
            b.as_ptr(),
            step(b_at.row),
            step(b_at.column),
            a.as_ptr(),
            step(a_at.row),
            step(a_at.column),
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

impl Conv {
    /// Rows out.
    pub fn out_height(&self) -> usize {
        self.height.div_ceil(self.stride)
    }

    /// Columns out.
    pub fn out_width(&self) -> usize {
        self.width.div_ceil(self.stride)
    }

    /// Values one output element is a weighted sum of.
    pub fn patch(&self) -> usize {
        self.inputs * self.kernel * self.kernel
    }

    /// Floats in.
    pub fn input_len(&self) -> usize {
        self.inputs * self.height * self.width
    }

    /// Floats out.
    pub fn output_len(&self) -> usize {
        self.outputs * self.out_height() * self.out_width()
    }

    /// Multiplications of one forward pass.
    pub fn macs(&self) -> usize {
        self.output_len() * self.patch()
    }

    fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1
    }

    /// Output rows gathered at once.
    fn tile_rows(&self) -> usize {
        (TILE / (self.patch() * self.out_width()).max(1)).clamp(1, self.out_height().max(1))
    }

    /// `y = w * x` for one picture; `weights` is (outputs, inputs, kernel, kernel). `patches` is scratch.
    pub fn forward(&self, x: &[f32], weights: &[f32], patches: &mut Vec<f32>, y: &mut [f32]) {
        let plane = self.out_height() * self.out_width();
        let k = self.patch();
        let weights_at = || Matrix { row: k, column: 1 };
        if self.is_pointwise() {
            let at = || Matrix { row: plane, column: 1 };
            return product((self.outputs, plane, k), (y, at()), (weights, weights_at()), (x, at()), false);
        }
        for top in (0..self.out_height()).step_by(self.tile_rows()) {
            let rows = self.tile_rows().min(self.out_height() - top);
            let count = rows * self.out_width();
            self.gather(x, top, rows, patches);
            let out = (&mut y[top * self.out_width()..], Matrix { row: plane, column: 1 });
            let b = (&patches[..], Matrix { row: count, column: 1 });
            product((self.outputs, count, k), out, (weights, weights_at()), b, false);
        }
    }

    /// Adds to `weights_grad` what one picture's `y_grad` asks for, and writes `x_grad` where it is wanted.
    pub fn backward(&self, step: Backward<'_>, patches: &mut Vec<f32>) {
        let Backward { x, weights, y_grad, weights_grad, mut x_grad } = step;
        let plane = self.out_height() * self.out_width();
        let k = self.patch();
        if let Some(x_grad) = &mut x_grad {
            x_grad.fill(0.0);
        }
        for top in (0..self.out_height()).step_by(self.tile_rows()) {
            let rows = self.tile_rows().min(self.out_height() - top);
            let (start, count) = (top * self.out_width(), rows * self.out_width());
            let grad = || (&y_grad[start..], Matrix { row: plane, column: 1 });
            let (gathered, step): (&[f32], usize) = if self.is_pointwise() {
                (&x[start..], plane)
            } else {
                self.gather(x, top, rows, patches);
                (&patches[..], count)
            };
            let transposed = Matrix { row: 1, column: step };
            let weights_out = (&mut *weights_grad, Matrix { row: k, column: 1 });
            product((self.outputs, k, count), weights_out, grad(), (gathered, transposed), true);
            let Some(x_grad) = &mut x_grad else { continue };
            let transposed = (weights, Matrix { row: 1, column: k });
            if self.is_pointwise() {
                let out = (&mut x_grad[start..], Matrix { row: plane, column: 1 });
                product((k, count, self.outputs), out, transposed, grad(), false);
            } else {
                let out = (&mut patches[..], Matrix { row: count, column: 1 });
                product((k, count, self.outputs), out, transposed, grad(), false);
                self.scatter(patches, top, rows, x_grad);
            }
        }
    }

    /// For one kernel offset and output row: the input row, the first output column with an input column, that input
    /// column, and how many.
    fn span(&self, offset: usize) -> (usize, usize, usize) {
        let pad = self.kernel / 2;
        // Input column of output column c is c * stride + offset - pad, to lie in 0..width.
        let first = pad.saturating_sub(offset).div_ceil(self.stride);
        let from = first * self.stride + offset - pad;
        let count = if from < self.width {
            ((self.width - 1 - from) / self.stride + 1).min(self.out_width() - first)
        } else {
            0
        };
        (first, from, count)
    }

    fn input_row(&self, row: usize, offset: usize) -> Option<usize> {
        (row * self.stride + offset).checked_sub(self.kernel / 2).filter(|&r| r < self.height)
    }

    /// Fills `patches` (patch values x tile columns) for output rows `top..top + rows`.
    fn gather(&self, x: &[f32], top: usize, rows: usize, patches: &mut Vec<f32>) {
        let (out_width, count) = (self.out_width(), rows * self.out_width());
        patches.resize(self.patch() * count, 0.0);
        let taps = self.kernel * self.kernel;
        for (value, line) in patches.chunks_exact_mut(count).enumerate() {
            let (channel, dy, dx) = (value / taps, value % taps / self.kernel, value % self.kernel);
            let map = &x[channel * self.height * self.width..][..self.height * self.width];
            let (first, from, n) = self.span(dx);
            for (row, out) in line.chunks_exact_mut(out_width).enumerate() {
                let Some(source) = self.input_row(top + row, dy) else {
                    out.fill(0.0);
                    continue;
                };
                let source = &map[source * self.width..][..self.width];
                out[..first].fill(0.0);
                out[first + n..].fill(0.0);
                if self.stride == 1 {
                    out[first..first + n].copy_from_slice(&source[from..from + n]);
                } else {
                    let picked = source[from..].iter().step_by(self.stride);
                    out[first..first + n].iter_mut().zip(picked).for_each(|(o, &v)| *o = v);
                }
            }
        }
    }

    /// Adds `patches` back to where they were gathered from.
    fn scatter(&self, patches: &[f32], top: usize, rows: usize, x_grad: &mut [f32]) {
        let (out_width, count) = (self.out_width(), rows * self.out_width());
        let taps = self.kernel * self.kernel;
        for (value, line) in patches.chunks_exact(count).enumerate().take(self.patch()) {
            let (channel, dy, dx) = (value / taps, value % taps / self.kernel, value % self.kernel);
            let map = &mut x_grad[channel * self.height * self.width..][..self.height * self.width];
            let (first, from, n) = self.span(dx);
            for (row, grads) in line.chunks_exact(out_width).enumerate() {
                let Some(target) = self.input_row(top + row, dy) else { continue };
                let target = &mut map[target * self.width..][..self.width];
                let grads = &grads[first..first + n];
                if self.stride == 1 {
                    target[from..from + n].iter_mut().zip(grads).for_each(|(t, g)| *t += g);
                } else {
                    target[from..].iter_mut().step_by(self.stride).zip(grads).for_each(|(t, g)| *t += g);
                }
            }
        }
    }
}

/// What a backward pass reads and writes.
pub struct Backward<'a> {
    /// The forward pass's input.
    pub x: &'a [f32],
    /// Its weights.
    pub weights: &'a [f32],
    /// Gradient of its output.
    pub y_grad: &'a [f32],
    /// Added to.
    pub weights_grad: &'a mut [f32],
    /// Overwritten; `None` where nobody asks (the first layer).
    pub x_grad: Option<&'a mut [f32]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize, seed: u32) -> Vec<f32> {
        (0..n as u32)
            .map(|i| ((i.wrapping_mul(2_654_435_761).wrapping_add(seed * 97) >> 8) % 2001) as f32 / 1000.0 - 1.0)
            .collect()
    }

    /// The definition, one sum per output element.
    fn plain(c: &Conv, x: &[f32], w: &[f32]) -> Vec<f32> {
        let (pad, mut y) = (c.kernel as isize / 2, Vec::new());
        for o in 0..c.outputs {
            for r in 0..c.out_height() {
                for q in 0..c.out_width() {
                    let mut sum = 0.0f64;
                    for i in 0..c.inputs {
                        for dy in 0..c.kernel {
                            for dx in 0..c.kernel {
                                let row = (r * c.stride + dy) as isize - pad;
                                let col = (q * c.stride + dx) as isize - pad;
                                if row < 0 || col < 0 || row >= c.height as isize || col >= c.width as isize {
                                    continue;
                                }
                                let at = (i * c.height + row as usize) * c.width + col as usize;
                                sum += f64::from(x[at])
                                    * f64::from(w[((o * c.inputs + i) * c.kernel + dy) * c.kernel + dx]);
                            }
                        }
                    }
                    y.push(sum as f32);
                }
            }
        }
        y
    }

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    }

    #[test]
    fn forward_is_the_definition_and_backward_its_transpose() {
        for (kernel, stride, height, width) in
            [(3, 1, 7, 9), (3, 2, 7, 9), (3, 2, 8, 10), (1, 1, 5, 6), (1, 2, 6, 7), (3, 1, 1, 1), (3, 1, 90, 130)]
        {
            let c = Conv { inputs: 5, outputs: 4, kernel, stride, height, width };
            let (x, w) = (values(c.input_len(), 1), values(c.outputs * c.patch(), 2));
            let (mut y, mut scratch) = (vec![0.0; c.output_len()], Vec::new());
            c.forward(&x, &w, &mut scratch, &mut y);
            let truth = plain(&c, &x, &w);
            assert!(y.iter().zip(&truth).all(|(a, b)| (a - b).abs() < 1e-4), "{c:?}");
            // <g, A x> is linear in x and in w, so its gradients are exact: <g, A x> = <A^T g, x> = <dW, w>.
            let g = values(c.output_len(), 3);
            let (mut dw, mut dx) = (vec![0.0; w.len()], vec![7.0; x.len()]);
            let step = Backward { x: &x, weights: &w, y_grad: &g, weights_grad: &mut dw, x_grad: Some(&mut dx) };
            c.backward(step, &mut scratch);
            let whole = dot(&g, &truth);
            assert!((dot(&dx, &x) - whole).abs() < 1e-2 * (1.0 + whole.abs()), "{c:?}");
            assert!((dot(&dw, &w) - whole).abs() < 1e-2 * (1.0 + whole.abs()), "{c:?}");
        }
    }
}
