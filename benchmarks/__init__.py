"""Benchmarks: what each measures stands in its first line."""
