"""The file that an export has written, from the model.json beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.common.formats import FORMATS, is_there, size_of
from tasks.report.reading import part, read_json
from tasks.report.run import quoted


def exported(folder: Path, task: Any, place: str | None) -> dict[str, Any]:
    """Texts, `bytes` and `commands` for the page; {} without an export.

    Args:
        task: whose command predicts with the file; None if unknown.
        place: of the folder, as seen from where its command was typed; None if unknown.

    Raises:
        UserError: if model.json cannot be read.
    """
    manifest = read_json(folder / "model.json")
    name = manifest.get("file")
    if not isinstance(name, str) or not name or Path(name).name != name:
        return {}
    path = folder / name
    forms = [form for form in FORMATS.values() if form.suffix == path.suffix]
    files = forms[0].files(path) if forms else [path]
    here = place or "<this folder>"
    model = f"model={quoted(f'{here}/{name}')}"
    page = (folder / "page" / "index.html").is_file()
    size = [part(manifest, "input", key) for key in ("height", "width")]
    batch, kind = part(manifest, "input", "batch"), part(manifest, "input", "type")
    return {
        "file": name,
        "bytes": sum(size_of(each) for each in files if is_there(each)),
        "runtime": manifest.get("runtime"),
        "precision": manifest.get("precision"),
        "outputs": manifest.get("outputs"),
        "input": f"{size[0]}×{size[1]} (height×width), {kind}, batch {batch}",
        "heads": "; ".join(map(head, texts(manifest.get("tasks")).items())),
        "checkpoint": part(manifest, "checkpoint", "name"),
        "versions": ", ".join(f"{package} {version}" for package, version in texts(manifest.get("versions")).items()),
        "sha256": part(manifest, "sha256", name),
        "page": f"python -m tasks.page {quoted(f'{here}/page')}" if page else None,
        "predict": f"python -m tasks.{task} mode=predict {model} input=photos" if task else None,
    }


def head(entry: tuple[Any, Any]) -> str:
    """A head with its number of classes."""
    name, task = entry
    classes = part(task, "classes") if isinstance(task, Mapping) else None
    return f"{name}, {len(classes)} classes" if isinstance(classes, list) else str(name)


def texts(record: Any) -> Mapping[Any, Any]:
    """An object of a record; {} for anything else."""
    return record if isinstance(record, Mapping) else {}
