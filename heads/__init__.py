"""Heads: networks built on a backbone's feature maps."""
