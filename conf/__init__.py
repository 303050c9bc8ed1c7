"""Hydra configuration; tasks/config has its interpolations (image_size.py, recipes.py) and a file (heads_file.py)."""

from tasks.app.interpolations import register

register()
