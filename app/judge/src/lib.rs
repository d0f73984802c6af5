//! Pure: evaluation of detection, calibration, depth, tracking, robustness, and what distillation lost.
