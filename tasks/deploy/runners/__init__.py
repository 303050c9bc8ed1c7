"""Exported files in their runtimes, one module for each: uint8 images in, named arrays out."""
