"""search=netadapt: a trained network narrowed step by step."""
