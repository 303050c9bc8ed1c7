"""Valid configurations: rules for values, allowed classes, overrides. Nothing here imports torch."""
