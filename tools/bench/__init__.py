"""Benches: named workloads on generated data, each entrant in a process of its own, beside `cp` of the same bytes."""
