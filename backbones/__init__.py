"""Networks that turn images into named feature maps."""
