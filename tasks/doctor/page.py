"""doctor.html: one page without scripts, fonts or links, readable on a phone."""

from collections.abc import Mapping, Sequence
from html import escape as escaped
from typing import Any

from tasks.common.errors import visible
from tasks.data.inspect.finding import Finding, Split
from tasks.doctor.pictures import picture, sheets

STYLE = """
body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:1rem;color:#1e1e1e;background:#fff}
h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem}
code{font:13px/1.4 ui-monospace,monospace;background:#f3f3f3;padding:.1rem .3rem;overflow-wrap:anywhere}
.finding{border-left:.4rem solid #999;background:#f8f8f8;margin:.6rem 0;padding:.5rem .8rem;overflow-wrap:anywhere}
.wrong{border-color:#c8202c}.look{border-color:#e09a00}.note{border-color:#9a9a9a}
.level{font-weight:600;text-transform:uppercase;font-size:.75rem;letter-spacing:.05em;margin-right:.5rem}
.wrong .level{color:#c8202c}.look .level{color:#a86f00}.note .level{color:#666}
ul{margin:.3rem 0;padding-left:1.2rem}.do{color:#155a2c}.do::before{content:"→ "}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.5rem;margin:.4rem 0}
figure{margin:0}img{width:100%;height:auto;display:block;background:#ddd}
figcaption{font-size:.75rem;color:#555;overflow-wrap:anywhere}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}
td,th{padding:.15rem .7rem;border-bottom:1px solid #e4e4e4;text-align:right}
td:first-child,th:first-child{text-align:left}
.zero{color:#c8202c;font-weight:600}
"""
HEADS = {"boxes": "Boxes of each class", "mask": "Label maps: images with each class", "label": "Images of each class"}
WAYS = {None: "", False: ", as stored", True: ", upright"}
MEANING = {
    "wrong": "stops training, or makes its scores mean something else",
    "look": "costs accuracy, or needs a decision",
    "note": "to know",
}


def text(value: object) -> str:
    """Text from files or from us, safe within HTML and without control characters."""
    return escaped(visible(str(value).encode(errors="backslashreplace").decode()))


def page(
    record: Mapping[str, Any],
    splits: Sequence[Split],
    findings: Sequence[Finding],
    classes: Mapping[str, Sequence[Any]],
) -> str:
    """The whole page.

    Args:
        record: what doctor.json has.
        classes: of the data set, by kind of label.
    """
    by_name = {split.name: split for split in splits}
    parts = [
        header(record),
        "<h2>Findings, worst first</h2>",
        *(card(finding, by_name, classes) for finding in findings),
        *(class_counts(kind, rows) for kind, rows in record["classes"].items() if rows),
        image_sizes(record["splits"]),
        *(
            f"<h2>Samples with their {'label maps' if sheet.kind == 'mask' else sheet.kind}, rarest classes first</h2>"
            + tiles([(each.data, each.caption) for each in sheet.pictures])
            for sheet in sheets(splits, classes)
            if sheet.pictures
        ),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>doctor: {text(record['dataset'])}</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def header(record: Mapping[str, Any]) -> str:
    """What was looked at, and the verdict."""
    counts = ", ".join(f"{entry['images']:,} {text(name)}" for name, entry in record["splits"].items())
    levels = [finding["level"] for finding in record["findings"]]
    verdict = ", ".join(f"{levels.count(level)} × {level} ({meaning})" for level, meaning in MEANING.items())
    return (
        f"<h1>{text(record['dataset'])} for tasks.{text(record['task'])}</h1>"
        f"<p>Images: {counts}. Findings: {verdict}.</p><p><code>{text(record['command'])}</code></p>"
    )


def card(finding: Finding, splits: Mapping[str, Split], classes: Mapping[str, Sequence[Any]]) -> str:
    """A finding with its examples, what to do, and its pictures."""
    where = f"<b>{text(finding.split)}</b>: " if finding.split else ""
    examples = "".join(f"<li>{text(example)}</li>" for example in finding.examples)
    marks = finding.boxes or [None] * len(finding.images)
    ways: Sequence[bool | None] = finding.upright or [None] * len(finding.images)
    drawn = [
        (picture(splits[side], index, classes, mark, way), f"{side}/{splits[side].file(index)}{WAYS[way]}")
        for (side, index), mark, way in zip(finding.images, marks, ways, strict=True)
    ]
    return (
        f'<div class="finding {finding.level}"><span class="level">{finding.level}</span>{where}{text(finding.text)}'
        + (f"<ul>{examples}</ul>" if examples else "")
        + (f'<div class="do">{text(finding.advice)}</div>' if finding.advice else "")
        + tiles([each for each in drawn if each[0]])
        + "</div>"
    )


def tiles(pictures: Sequence[tuple[str, str]]) -> str:
    """Pictures side by side, with captions."""
    if not pictures:
        return ""
    figures = "".join(
        f'<figure><img src="{data}" alt=""><figcaption>{text(caption)}</figcaption></figure>'
        for data, caption in pictures
    )
    return f'<div class="tiles">{figures}</div>'


def class_counts(kind: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """A table of classes and splits; of label maps with the share of pixels."""
    sides = [key for key in rows[0] if key not in ("name", "pixels")]
    totals = {side: sum(row["pixels"][side] for row in rows) for side in rows[0].get("pixels", ())}
    head = "".join(f"<th>{text(side)}</th>" for side in sides)
    head += "".join(f"<th>{text(side)}, pixels</th>" for side in totals)
    body = "".join(
        f"<tr><td>{text(row['name'])}</td>"
        + "".join(f'<td class="{"" if row[side] else "zero"}">{row[side]:,}</td>' for side in sides)
        + "".join(f"<td>{row['pixels'][side] / max(1, total):.2%}</td>" for side, total in totals.items())
        + "</tr>"
        for row in rows
    )
    title = HEADS.get(kind, f"Classes of {kind}")
    return f'<h2>{text(title)}</h2><div class="wide"><table><tr><th>class</th>{head}</tr>{body}</table></div>'


def image_sizes(splits: Mapping[str, Mapping[str, Any]]) -> str:
    """A table of the most frequent sizes."""
    rows = [
        f"<tr><td>{text(name)}</td><td>{each['height']}×{each['width']}</td><td>{each['images']:,}</td></tr>"
        for name, entry in splits.items()
        for each in entry["sizes"][:8]
    ]
    head = "<tr><th>split</th><th>height×width</th><th>images</th></tr>"
    return f"<h2>Most frequent sizes</h2><table>{head}{''.join(rows)}</table>"
