"""What a configuration may say: rules for values, allowed classes, overrides. Nothing here imports torch."""

from tasks.config.image_size import register

register()
