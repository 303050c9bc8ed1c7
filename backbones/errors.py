"""What a network says of images that it cannot take."""


class ImageSizeError(ValueError):
    """A network refuses images of this size: a mistake in the configuration, not a fault of the code."""
