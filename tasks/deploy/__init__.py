"""Export: files that run without PyTorch, checked against the checkpoint they come from."""
