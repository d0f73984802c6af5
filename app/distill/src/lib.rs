//! Students: how the project makes its own small networks, from a recipe to a file a drive can run on.
//!
//! | module | owns |
//! |---|---|
//! | `onnx` | the part of ONNX's protobuf we read and write |
//! | `quantize` | static INT8 (QDQ) and FP16 twins of a network, with measured sensitivity |
//! | `label` | pseudo labels by agreement of several teachers |
//! | `recipe`, `net`, `data`, `loss`, `teacher`, `train`, `experiment`, `export` (feature `train`) | the trainer |
//!
//! Deliberately absent: running a network (ocellus-infer does), scoring one (ocellus-judge does), command-line matter.

#[cfg(feature = "train")]
pub mod data;
#[cfg(feature = "train")]
pub mod experiment;
#[cfg(feature = "train")]
pub mod export;
pub mod label;
#[cfg(feature = "train")]
pub mod loss;
#[cfg(feature = "train")]
pub mod net;
pub mod onnx;
pub mod quantize;
#[cfg(feature = "train")]
pub mod recipe;
#[cfg(feature = "train")]
pub mod teacher;
#[cfg(feature = "train")]
pub mod train;
