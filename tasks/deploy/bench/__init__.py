"""The cost of networks: parameters, multiply-adds, file size, memory, and latency per stage from photo to results."""
