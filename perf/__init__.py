"""Measurement: benchmarks of the parts, of the core over TCP, and beside others. Never imported by the product."""
