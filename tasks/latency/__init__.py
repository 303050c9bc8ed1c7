"""Latencies: summed layer by layer from a table, or measured on whole networks."""
