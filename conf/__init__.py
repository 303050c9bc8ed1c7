"""Hydra configuration; tasks/config/image_size.py has its interpolations, heads_file.py there one of its files."""

from tasks.config.heads_file import store_heads
from tasks.config.image_size import register

register()
store_heads()
