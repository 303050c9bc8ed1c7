"""Fits a network to data and device: NetAdapt, block search, and costs of networks."""
