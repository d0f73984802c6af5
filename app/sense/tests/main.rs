//! Drives end to end: the real recordings where they are at hand, and small made ones that are broken on purpose.

mod bad_input;
mod calibration;
mod made_drives;
mod mcap_made;
mod mcap_real;
mod real_drives;
mod support;
