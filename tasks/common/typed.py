"""Values of command lines that Hydra does not parse."""

from collections.abc import Iterable

from tasks.common.errors import UserError


def seeds_of(text: str) -> list[int]:
    """The seeds of "[0,1,2]", or of "0,1,2" as -m takes them.

    Raises:
        UserError: for one that is not a whole number, or is there twice, which would be the same training.
    """
    seeds = [whole("seeds", word, 0) for word in listed(text)]
    if len(set(seeds)) < len(seeds):
        raise UserError(f"seeds={text} has a seed twice")
    return seeds


def seed_word(seeds: Iterable[object]) -> str:
    """The override that trains with these seeds: "seed=0,1,2"."""
    return f"seed={','.join(map(str, seeds))}"


def listed(text: str) -> list[str]:
    """The entries of "[a,b]" or "a,b"; commas within an entry's own brackets do not separate."""
    words, depth, closings = [""], 0, []
    for place, letter in enumerate(text):
        depth += (letter == "[") - (letter == "]")
        if letter == "]" and depth == 0:
            closings.append(place)
    if text.startswith("[") and closings == [len(text) - 1]:
        text = text[1:-1]
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and not depth:
            words.append("")
        else:
            words[-1] += letter
    return [word.strip() for word in words]


def whole(key: str, text: str, least: int = 1) -> int:
    """A whole number.

    Raises:
        UserError: for anything else, or less than `least`.
    """
    if not text.isdecimal() or int(text) < least:
        raise UserError(f"{key}={text} is not a whole number, {least} or more")
    return int(text)
