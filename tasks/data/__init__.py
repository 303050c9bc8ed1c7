"""Data sets, read in their official layouts; nothing here knows a task."""
