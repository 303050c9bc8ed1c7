"""Semantic segmentation: `python -m tasks.segment`."""
