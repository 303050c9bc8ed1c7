"""A custom task: image tags, any number of classes per image."""
