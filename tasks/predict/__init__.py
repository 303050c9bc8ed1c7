"""Predictions for photos, one after the other."""
