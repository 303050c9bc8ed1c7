"""What is shipped: files that run without PyTorch, proved equal to the checkpoint that they were made of."""
