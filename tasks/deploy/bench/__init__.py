"""What networks cost: parameters, multiply-adds, file, memory, and time from a photo to results, stage by stage."""
