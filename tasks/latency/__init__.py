"""Latencies: layer by layer from a table, and of whole networks."""
