//! Inputs and outputs bound to a session once: a run then allocates nothing, neither here nor for its outputs.
//!
//! Only a network whose outputs all have known sizes can be bound; of the others ONNX Runtime makes new outputs at each run.

use std::ffi::{CStr, CString};

use ort::AsPointer;
use ort::session::{IoBinding, Session};
use ort::sys::OrtValue;
use ort::value::DynValue;

use super::io::{InputSlot, OutputSlot};
use super::memory::{Held, Memory};

/// A session's tensors, bound.
pub(super) struct Bound {
    binding: IoBinding,
    /// Inputs to be bound anew before each run, by their place in the file; empty where what is bound is what is run.
    anew: Vec<CString>,
    outputs: Vec<Held>,
}

impl Bound {
    /// Binds the inputs' buffers and new outputs; `None` where a size is not known yet or at all.
    pub(super) fn of(
        session: &Session,
        memory: &Memory,
        inputs: &[InputSlot],
        outputs: &[OutputSlot],
    ) -> ort::Result<Option<Self>> {
        let tensors = outputs.iter().map(|output| output.tensor(session, memory)).collect::<Option<Vec<_>>>();
        let Some(tensors) = tensors else { return Ok(None) };
        let tensors = tensors.into_iter().collect::<ort::Result<Vec<Held>>>()?;
        let mut binding = session.create_binding()?;
        let mut names = Vec::new();
        for input in inputs {
            let Some(value) = input.pointer() else { return Ok(None) };
            let name = c_name(input.name())?;
            bind(&mut binding, &name, Side::Input, value)?;
            names.push(name);
        }
        for (output, tensor) in outputs.iter().zip(&tensors) {
            bind(&mut binding, &c_name(output.name())?, Side::Output, tensor.bound())?;
        }
        let anew = if memory.is_copied_when_bound() { names } else { Vec::new() };
        Ok(Some(Self { binding, anew, outputs: tensors }))
    }

    /// The outputs of the last run, in the file's order.
    pub(super) fn output(&self, index: usize) -> Option<&DynValue> {
        self.outputs.get(index).map(|output| &output.value)
    }

    /// Runs the session that this was bound for, on what its `inputs` hold.
    pub(super) fn run(&mut self, session: &mut Session, inputs: &[InputSlot]) -> ort::Result<()> {
        for (name, value) in self.anew.iter().zip(inputs.iter().map(InputSlot::pointer)) {
            let value = value.ok_or_else(|| ort::Error::new("an input lost its size"))?;
            bind(&mut self.binding, name, Side::Input, value)?;
        }
        let is_copied = !self.anew.is_empty();
        if is_copied {
            self.binding.synchronize_inputs()?;
        }
        // `Session::run_binding` would make a new list of the outputs, and of their names.
        // SAFETY: session and binding live, the binding was made for this session, and the exclusive borrow of both keeps other
        // threads away; without options there are none to outlive anything. The status is released by `result_from_status`.
        unsafe {
            let run = ort::api().RunWithBinding;
            ort::Error::result_from_status(run(session.ptr_mut(), std::ptr::null(), self.binding.ptr()))?;
        }
        if is_copied { self.binding.synchronize_outputs() } else { Ok(()) }
    }
}

enum Side {
    Input,
    Output,
}

fn c_name(name: &str) -> ort::Result<CString> {
    CString::new(name).map_err(|error| ort::Error::new(error.to_string()))
}

fn bind(binding: &mut IoBinding, name: &CStr, side: Side, value: *const OrtValue) -> ort::Result<()> {
    let bind = match side {
        Side::Input => ort::api().BindInput,
        Side::Output => ort::api().BindOutput,
    };
    // SAFETY: all three live during the call; ONNX Runtime copies the name and shares the value, whose memory is its owner's: the
    // network keeps inputs and outputs as long as the binding. The status is released by `result_from_status`.
    unsafe { ort::Error::result_from_status(bind(binding.ptr_mut(), name.as_ptr(), value)) }
}
