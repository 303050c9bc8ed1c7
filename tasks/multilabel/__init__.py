"""Any number of classes for every image: `python -m tasks.multilabel`."""
