"""Packs a data set: images and labels in shards that any machine reads, from a folder or an address."""
