"""Pages that are generated when the site is built: every key, every option, every network, and the files of the root.

MkDocs calls on_files() (mkdocs.yml, `hooks`). Nothing is written into docs/ and nothing is downloaded.
"""

import html
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the packages of this checkout

from tasks.app.cli import prepared  # noqa: E402
from tasks.app.keys import Key, keys_of_command, options_of  # noqa: E402
from tasks.app.print_keys import shown  # noqa: E402
from tasks.config.comments import head_lines  # noqa: E402

TASKS = ("segment", "detect", "classify", "multilabel", "multitask")
SEARCHED = ("search", "target", "latency")  # sections that belong to searches
HELPED = (
    "tasks.doctor", "tasks.compare", "tasks.report", "tasks.predict", "tasks.page", "tasks.publish", "tasks.papers",
    "tasks.deploy", "tasks.detect.score", "tasks.multitask.compare", "tasks.multitask.prune", "backbones",
)  # fmt: skip
VALUES = "Values are those that hold if you type nothing. Other [options](options.md) of a group may have other keys."
GROUPS = {
    "backbone": "networks", "head": "heads", "loss": "losses of detection", "match": "which anchors learn a box",
    "balance": "weights of several heads' losses", "dataset": "data sets", "optimizer": "optimisers",
    "scheduler": "schedules of the learning rate", "finetune": "starts from weights", "search": "searches",
    "logger": "loggers", "recipe": "recipes: how a task is trained on a data set", "scale": "miniatures",
    "experiment": "complete recipes, with the command and what came out",
}  # fmt: skip
FILES = {"SECURITY.md": "security.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    pages = {f"reference/keys_{name}.md": keys_page(name) for name in TASKS}
    pages |= {"reference/keys_search.md": search_page(), "reference/commands.md": commands_page()}
    pages |= {"reference/options.md": options_page(), "reference/networks.md": networks_page()}
    for name, target in FILES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        pages[target] = re.sub(r"\]\(([A-Z]+\.md)\)", lambda link: f"]({FILES.get(link[1], link[1])})", text)
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def keys_page(name: str) -> str:
    """Every group and key of a task's command."""
    keys = keys_of_command(name, prepared(name, [], list))
    lines = [f"# Keys of tasks.{name}", ""]
    lines += [f"`python -m tasks.{name} --keys` prints these keys, `--keys optimizer` a section.", "", VALUES, ""]
    lines += ["## Groups", "", *table(key for key in keys if key.group), ""]
    sections: dict[str, list[Key]] = {}
    for key in keys:
        if not key.group:
            sections.setdefault(key.name.partition(".")[0] if "." in key.name else "", []).append(key)
    for section, members in sections.items():
        lines += [f"## {section or 'Keys without a section'}", "", *table(members), ""]
    return "\n".join(lines)


def search_page() -> str:
    """The keys that each search adds to those of its task."""
    lines = ["# Keys of tasks.search", "", "Each search also takes the keys of its task.", "", VALUES, ""]
    for option in options_of("search"):
        keys = keys_of_command("segment", prepared("segment", [f"search={option}"], list))
        command, *about = head_lines((ROOT / "conf" / "search" / f"{option}.yaml").read_text(encoding="utf-8"))
        lines += [f"## search={option}", "", fenced(command, "bash"), "", cell(" ".join(about)), ""]
        lines += [*table(key for key in keys if key.name.partition(".")[0] in SEARCHED and not key.group), ""]
    return "\n".join(lines)


def commands_page() -> str:
    """What the commands without a configuration of their own say of themselves."""
    lines = ["# Other commands", "", "What each prints with `--help`.", ""]
    for module in HELPED:
        lines += [f"## {module}", "", fenced(output_of(module, "--help"), "text"), ""]
    return "\n".join(lines)


def table(keys: Iterable[Key]) -> list[str]:
    """Rows of key, value, meaning and choices."""
    rows = ["| key | value | what it is | allowed |", "|---|---|---|---|"]
    for key in keys:
        allowed = ", ".join(f"`{choice}`" for choice in key.choices) or cell(key.rule)
        if len(key.choices) > 20:
            allowed = f"{len(key.choices)} options: see [options](options.md#{key.name.partition('@')[0]})"
        rows.append(f"| `{key.name}` | {code(shown(key.value))} | {cell(key.comment)} | {allowed} |")
    return rows


def cell(text: str) -> str:
    """A text that means itself in a table's cell."""
    marks = html.escape(text, quote=False).replace("\n", " ")
    return re.sub(r"[|*_`\[\]{}~^\\]", lambda mark: f"&#{ord(mark[0])};", marks)


def code(text: str) -> str:
    """A value in a cell; text in a code span needs only its bars escaped."""
    return f"`{text.replace('|', chr(92) + '|')}`" if text else ""


def options_page() -> str:
    """Every option of every group: its file, with its comments."""
    lines = ["# Options", "", "`group=option` puts one of these files at its place in the configuration.", ""]
    for group, what in GROUPS.items():
        lines += [f"## {group}", "", f"{what[0].upper()}{what[1:]}.", ""]
        for option in options_of(group):
            text = (ROOT / "conf" / group / f"{option}.yaml").read_text(encoding="utf-8")
            about = head_lines(text)
            lines += [f"### {group}={option}", "", f"{cell(about[0])}" if about else "", "", fenced(text, "yaml"), ""]
    return "\n".join(lines)


def networks_page() -> str:
    """Every backbone beside its paper's figures, and every network with its head."""
    rows = json.loads(output_of("backbones", "--json"))
    lines = ["# Networks", "", "From `python -m backbones --json` and `python -m heads`, when this site was built.", ""]
    lines += [
        "## Backbones",
        "",
        "Multiply-adds are for one image of the size given; `·` where the paper prints nothing.",
        "",
    ]
    lines += [
        "| `backbone=` | variant | image | params | multiply-adds | paper: params | paper: multiply-adds | note |"
    ]
    lines += ["|---|---|---:|---:|---:|---:|---:|---|"]
    for row in rows:
        printed = [f"{row[key]:,}" if row[key] else "·" for key in ("paper_params", "paper_madds")]
        own = [f"{row['params']:,}", f"{row['madds']:,}"]
        lines.append(
            f"| `{row['backbone']}` | {cell(row['variant'])} | {row['size']} | {' | '.join(own + printed)} | "
            f"{cell(row['note'])} |"
        )
    lines += ["", "## Whole networks", "", fenced(output_of("heads"), "text"), ""]
    return "\n".join(lines)


def output_of(module: str, *words: str) -> str:
    """What `python -m module` prints."""
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def fenced(text: str, language: str) -> str:
    """A block of code; the fence is longer than any in the text."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def on_post_template(output: str, **_: Any) -> str:
    """As on_post_page(), for the page that says that there is none."""
    return on_post_page(output)


def on_post_page(output: str, **_: Any) -> str:
    """Put our own few lines in the place of a script that the plugin `offline` would load from elsewhere."""
    own = (Path(__file__).parent / "file_worker.js").read_text(encoding="utf-8")
    return re.sub(
        r'<script src="https://[^"]*/iframe-worker/shim"></script>', lambda _: f"<script>{own}</script>", output
    )
