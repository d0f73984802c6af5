//! Inputs and outputs bound to a session once: a run then allocates nothing, neither here nor for its outputs.
//!
//! Only a network whose outputs all have known sizes can be bound; of the others ONNX Runtime makes new outputs at each run.

use std::ffi::CString;

use ort::AsPointer;
use ort::session::{IoBinding, Session};
use ort::sys::OrtValue;
use ort::value::DynValue;

use super::io::{InputSlot, OutputSlot};

/// A session's tensors, bound.
pub(super) struct Bound {
    binding: IoBinding,
    /// In the file's order.
    pub(super) outputs: Vec<DynValue>,
}

impl Bound {
    /// Binds the inputs' buffers and new outputs; `None` where a size is not known yet or at all.
    pub(super) fn of(session: &Session, inputs: &[InputSlot], outputs: &[OutputSlot]) -> ort::Result<Option<Self>> {
        let Some(values) = outputs.iter().map(OutputSlot::tensor).collect::<Option<Vec<_>>>() else { return Ok(None) };
        let values = values.into_iter().collect::<ort::Result<Vec<DynValue>>>()?;
        let mut binding = session.create_binding()?;
        for input in inputs {
            let Some(value) = input.pointer() else { return Ok(None) };
            bind(&mut binding, input.name(), Side::Input, value)?;
        }
        for (output, value) in outputs.iter().zip(&values) {
            bind(&mut binding, output.name(), Side::Output, value.ptr())?;
        }
        Ok(Some(Self { binding, outputs: values }))
    }

    /// Runs the session that this was bound for; the outputs are in [`Bound::outputs`] then.
    pub(super) fn run(&mut self, session: &mut Session) -> ort::Result<()> {
        // `Session::run_binding` would make a new list of the outputs, and of their names.
        // SAFETY: session and binding live, the binding was made for this session, and the exclusive borrow of both keeps other
        // threads away; without options there are none to outlive anything. The status is released by `result_from_status`.
        unsafe {
            let run = ort::api().RunWithBinding;
            ort::Error::result_from_status(run(session.ptr_mut(), std::ptr::null(), self.binding.ptr()))
        }
    }
}

enum Side {
    Input,
    Output,
}

fn bind(binding: &mut IoBinding, name: &str, side: Side, value: *const OrtValue) -> ort::Result<()> {
    let name = CString::new(name).map_err(|error| ort::Error::new(error.to_string()))?;
    let bind = match side {
        Side::Input => ort::api().BindInput,
        Side::Output => ort::api().BindOutput,
    };
    // SAFETY: all three live during the call; ONNX Runtime copies the name and shares the value, so that its memory stays as long
    // as the binding does. The status is released by `result_from_status`.
    unsafe { ort::Error::result_from_status(bind(binding.ptr_mut(), name.as_ptr(), value)) }
}
