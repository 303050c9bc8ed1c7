"""The papers' networks as rows: how to build each, its cost in the paper, the actual cost of its definition."""
