"""One self-contained page: data as JSON, our scripts and styles, and uPlot, all inlined; nothing may be loaded."""

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

SCRIPTS = (
    "elements",
    "format",
    "colours",
    "charts",
    "table",
    "matrix",
    "curves",
    "boxes",
    "maps",
    "labels",
    "gallery",
    "scatter",
    "benchmark",
    "search",
    "exported",
    "outcome",
    "state",
    "parts",
)
PAGES = {"run": "run.js", "compare": "compare.js"}


def page(data: Mapping[str, Any], kind: str, title: str) -> str:
    """The page's HTML.

    Args:
        data: plain values; whatever their texts are, they are shown as text.
        kind: of PAGES.
    """
    room = files("tasks.report")
    names = [*(f"page/{name}.js" for name in SCRIPTS), f"page/{PAGES[kind]}"]
    vendor = room.joinpath("vendor/uPlot.iife.min.js").read_text(encoding="utf-8")
    scripts = [vendor, '"use strict";\n' + "\n".join(room.joinpath(n).read_text(encoding="utf-8") for n in names)]
    styles = [room.joinpath(n).read_text(encoding="utf-8") for n in ("vendor/uPlot.min.css", "page/page.css")]
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"script-src {hashes(scripts)}; style-src {hashes(styles)}"
    )
    return "".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(title)}</title>",
            *(f"<style>{style}</style>" for style in styles),
            "</head><body>\n<noscript>This page draws its charts with a script, which is off here.</noscript>\n"
            f'<script type="application/json" id="data">{as_json(data)}</script>\n',
            *(f"<script>{script}</script>\n" for script in scripts),
            "</body></html>\n",
        ]
    )


def hashes(texts: Sequence[str]) -> str:
    """What the policy allows: these texts and no others."""
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def as_json(data: Mapping[str, Any]) -> str:
    """JSON that no text can leave: within HTML every `<` is escaped."""
    text = json.dumps(plain(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    safe = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return safe.encode("utf-8", "replace").decode()


def plain(value: Any) -> Any:
    """A value of what JSON has: numbers that are not finite become null, anything unknown its text."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
