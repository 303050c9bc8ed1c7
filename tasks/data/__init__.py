"""Data sets in their official layouts, independent of tasks."""
