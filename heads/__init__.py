"""What is built on a backbone's announced feature maps."""
