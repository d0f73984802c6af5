//! What obstacles mean: time to collision and risk.
