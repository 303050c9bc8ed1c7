"""search=recipe: how to train on the user's data."""
