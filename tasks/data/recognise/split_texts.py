"""Names of splits within folder names: train_images beside val_images, ISIC2018_Training_Input, traincrop."""

import re
from collections.abc import Sequence

from tasks.data.recognise.listing import ROLES

SPLITS = {**ROLES, "train_val": "train", "trainval": "train"}
LONG = "|".join(sorted((name for name in SPLITS if len(name) > 2), key=len, reverse=True))
WORD = re.compile(rf"(?:^|(?<![A-Za-z]))(?:{LONG})(?![A-Za-z])|^(?:{LONG})", re.IGNORECASE)


def inside(name: str, beside: Sequence[str], text: str = "") -> str:
    """The text of a split in a folder's name, if a folder beside it differs in nothing but that; '' for none.

    Args:
        beside: names of the folders in the same folder.
        text: the only text that counts; it needs no folder beside.
    """
    for match in WORD.finditer(name):
        if text:
            if match[0] == text:
                return text
            continue
        start, end = name[: match.start()], name[match.end() :]
        for other in beside:
            if other != name and other.startswith(start) and other.endswith(end):
                middle = other[len(start) : len(other) - len(end)]
                if SPLITS.get(middle.lower()) not in (None, SPLITS[match[0].lower()]):
                    return match[0]
    return ""
