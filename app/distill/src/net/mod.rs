//! Networks: described as a graph, computed and differentiated on the CPU.

pub mod conv;
pub mod engine;
pub mod graph;
pub mod student;
