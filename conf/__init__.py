"""Hydra configuration; its files use the interpolations of tasks/config/image_size.py."""

from tasks.config.image_size import register

register()
