//! What training makes small: each loss gives its value and, by hand, the gradient of the network's outputs.

pub mod assign;
pub mod depth;
pub mod detect;
pub mod dual;
pub mod grid;
pub mod mask;
pub mod student;
pub mod teach;
