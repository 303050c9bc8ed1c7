"""A task of your own: image tags, any number of classes for an image."""
