"""How people call their splits."""

TRAIN = ("train", "training")
VAL = ("val", "valid", "validation")


def spellings(split: str) -> tuple[str, ...]:
    """Names under which a split is looked for: those of val for "val", otherwise only its own."""
    return VAL if split == "val" else (split,)
