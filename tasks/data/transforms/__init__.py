"""What happens to images and their labels between the file and the batch."""
