"""From samples to batches: the data module, samplers, mixtures."""
