"""Several heads on one backbone."""
