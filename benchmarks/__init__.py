"""Benchmarks: `make bench`. Nothing here is part of the package."""
