"""Generated street scenes in the official Cityscapes layout: the data set that needs no download."""

from tasks.data.streets.write import generate

__all__ = ["generate"]
