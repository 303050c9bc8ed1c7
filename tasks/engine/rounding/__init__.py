"""Quantisation-aware training: a network that rounds as int8 files do. The rounding itself is torchao's."""
