"""Errors for images that a network cannot take."""


class ImageSizeError(ValueError):
    """A network does not take images of this size: a configuration error, not a bug."""
