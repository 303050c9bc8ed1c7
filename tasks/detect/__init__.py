"""Object detection: `python -m tasks.detect`."""
