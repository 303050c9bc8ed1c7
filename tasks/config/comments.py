"""The comments of a YAML file, by key: what stands after a value, goes on below it, or stands in the lines above."""

import re
from collections.abc import Iterator

import yaml

COMMENT = re.compile(r"(\s*)#\s?(.*)")


def header_of(text: str) -> str:
    """The comment at the head of a file, without Hydra's `@package` line."""
    return " ".join(line for line in head_lines(text) if line)


def head_lines(text: str) -> list[str]:
    """The lines of that comment, without their `#`."""
    lines = []
    for line in text.splitlines():
        found = COMMENT.fullmatch(line)
        if found is None or found[1]:
            break
        lines.append(found[2].strip())
    return [line for line in lines if not line.startswith("@package")]


def comments_of(text: str) -> dict[str, str]:
    """The comment of each key of a YAML text, by dotted key; keys without one are left out.

    Keys inside braces share the comment of their line. A group in the list `defaults` is called `defaults.<group>`.
    """
    lines = text.splitlines()
    after_head = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return dict(of_mapping(root, lines, after_head, "", "")) if isinstance(root, yaml.MappingNode) else {}


def of_mapping(
    node: yaml.MappingNode, lines: list[str], after_head: int, path: str, shared: str
) -> Iterator[tuple[str, str]]:
    """Yield the comments of a mapping's keys and of those below.

    Args:
        after_head: number of the first line after the file's head, which is no key's comment.
        shared: comment of the line in which a mapping in braces stands.
    """
    for key, value in node.value:
        name = f"{path}.{key.value}".lstrip(".")
        below = isinstance(value, yaml.CollectionNode) and not value.flow_style and value.value
        end = key.end_mark if below else value.end_mark
        comment = shared if node.flow_style else after(lines, end.line, end.column)
        comment = comment or (shared or above(lines, key.start_mark.line, key.start_mark.column, after_head))
        if comment:
            yield name, comment
        for inner in value.value if name == "defaults" else [value]:
            if isinstance(inner, yaml.MappingNode):
                yield from of_mapping(inner, lines, after_head, name, comment if inner.flow_style else "")


def after(lines: list[str], row: int, column: int) -> str:
    """The comment after a column of a line, with the comment lines below that are indented about as far."""
    rest = lines[row][column:] if row < len(lines) else ""
    found = re.fullmatch(r"[\s,:\]}]*?\s#\s?(.*)", rest)
    if found is None:
        return ""
    words, least = [found[1].strip()], lines[row].index("#", column) - 4
    for line in lines[row + 1 :]:
        more = COMMENT.fullmatch(line)
        if more is None or len(more[1]) < max(1, least):
            break
        words.append(more[2].strip())
    return " ".join(words)


def above(lines: list[str], row: int, column: int, after_head: int) -> str:
    """The comment lines directly above a key, in its column."""
    words: list[str] = []
    for line in reversed(lines[after_head:row]):
        found = COMMENT.fullmatch(line)
        if found is None or len(found[1]) != column:
            break
        words.insert(0, found[2].strip())
    return " ".join(words)
