"""search=netadapt: narrows a trained network step by step."""
