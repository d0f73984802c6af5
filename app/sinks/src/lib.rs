//! Where results go: objects.jsonl, rerun, MCAP, CAN, metrics.
