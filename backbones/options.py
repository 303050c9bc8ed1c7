"""A parser of options that names the closest ones for a typing error, before anything else is checked."""

import argparse
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

OPTION, KEY = 0.6, 0.7  # least similarity of an option's name, and of a word `key=value`, which may be an argument


class Parser(argparse.ArgumentParser):
    """argparse's, with one line and exit status 2 for an option that is not there, or one typed as `key=value`."""

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As argparse's; a typing error is named first, not what is missing without it."""
        words = list(sys.argv[1:] if args is None else args)
        for word in words[: words.index("--")] if "--" in words else words:
            if line := self.mistake(word):
                self.exit(2, f"error: {line}\n")
        return super().parse_known_args(args, namespace)

    def mistake(self, word: str) -> str:
        """One line for a word that is no option of this parser; '' for others."""
        names = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        name, sign, _ = word.partition("=")
        cutoff = KEY if sign and not word.startswith("-") else OPTION
        near = get_close_matches(name.lstrip("-").lower(), [each[2:] for each in names], n=2, cutoff=cutoff)
        meant = f" (did you mean {' or '.join(f'--{each}' for each in near)}?)" if near else ""
        if word.startswith("--") and len(word) > 2:
            known = any(each.startswith(name) for each in names)  # argparse takes what an option begins with
            return "" if known else f"{word}: no such option{meant}; there are {', '.join(names)}"
        if sign and near and not word.startswith("-") and not Path(word).exists():
            return f"{word}: no such key{meant}; options begin with --"
        return ""
