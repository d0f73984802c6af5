//! The runtime: stages, bounded queues with a policy, named threads, ledger, latency, shutdown, supervision.
