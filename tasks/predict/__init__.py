"""Predictions for photos, one by one."""
