"""Image classification: `python -m tasks.classify`."""
