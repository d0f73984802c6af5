//! From meshes to visible samples: lens, triangle setup, coverage, the sun's shadows.

pub(crate) mod bounds;
pub(crate) mod lens;
pub(crate) mod setup;
pub(crate) mod shadow;
pub(crate) mod visibility;
