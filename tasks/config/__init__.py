"""What a configuration may say: rules for values, allowed classes, overrides. Nothing here imports torch."""
