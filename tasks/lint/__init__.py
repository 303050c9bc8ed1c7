"""Which operators of an exported file a device's delegate runs, by lists that were read from documentation."""
