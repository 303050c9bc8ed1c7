"""Decoded images and label maps in one memory-mapped file, made once and shared by processes and runs."""
