//! What is true of a moment: objects in the picture, collisions, events, groups.

pub mod collision;
pub mod events;
pub mod objects;
pub mod tags;
