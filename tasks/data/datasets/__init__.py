"""Data sets: one file for each layout on disk."""
