"""Files that hold a network: checkpoints, and the descriptions beside exported files."""
