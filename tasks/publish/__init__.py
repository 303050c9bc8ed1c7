"""Publishes a checkpoint: a folder with weights, model card, labels and an example, without a pickle."""
