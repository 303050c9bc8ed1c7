"""The papers' networks as rows: how to build each, what its paper says it costs, what its definition really costs."""
