"""Benchmarks: each figure is a ratio to a baseline that is measured beside it."""
