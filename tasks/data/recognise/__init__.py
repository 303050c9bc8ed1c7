"""Recognises the layout of a folder: one small module for each family of layouts, none of which reads every file."""
