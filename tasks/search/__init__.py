"""A network fitted to data and device: NetAdapt, block search, and what networks cost."""
