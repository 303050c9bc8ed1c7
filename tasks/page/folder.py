"""page/ of mode=export: a network, its description and onnxruntime-web in a folder that any web server serves."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

from tasks.common.errors import UserError

HERE = Path(__file__).parent
VERSION = "1.30.0"  # of onnxruntime-web, with which the page is tested
INSTALL = f"npm install --no-save --prefix . onnxruntime-web@{VERSION}"
PACKAGE = Path("node_modules/onnxruntime-web")
# Of the package's dist/: one module and its WebAssembly for each kind; the names that the page gives them end in .js,
# because not every web server knows that .mjs is a script.
RUNTIME = {
    "ort.wasm.bundle.min.mjs": "ort.wasm.js",
    "ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.bundle.min.mjs": "ort.webgpu.js",
    "ort-wasm-simd-threaded.asyncify.wasm": "ort-wasm-simd-threaded.asyncify.wasm",
}


def find_runtime(given: str | Path | None) -> Path:
    """The folder of an installed onnxruntime-web package.

    Args:
        given: by the user; None for node_modules/ of the working folder.

    Raises:
        UserError: if it is not there, or has not the files that the page needs.
    """
    folder = PACKAGE if given is None else Path(given).expanduser()
    if not (folder / "package.json").is_file():
        where = f"export.page_runtime={given}: there is no onnxruntime-web"
        if given is None:
            where = "export.page=true needs onnxruntime-web in node_modules/ or export.page_runtime=<its folder>"
        raise UserError(f"{where}; this installs it: {INSTALL}")
    name, version = name_and_version(folder)
    missing = [file for file in RUNTIME if not (folder / "dist" / file).is_file()]
    if name != "onnxruntime-web" or missing:
        lacks = f"lacks dist/{missing[0]}" if name == "onnxruntime-web" else "is not onnxruntime-web"
        raise UserError(f"export.page_runtime: {folder} ({name} {version}) {lacks}; the page is tested with {INSTALL}")
    return folder


def name_and_version(package: Path) -> tuple[str, str]:
    """Of an npm package.

    Raises:
        UserError: if its package.json cannot be read.
    """
    try:
        content = json.loads((package / "package.json").read_text(encoding="utf-8"))
        return str(content["name"]), str(content["version"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"export.page_runtime: {package / 'package.json'} is no npm package's: {error}") from error


def write_page(folder: Path, exported: Path, file: str, runtime: Path) -> None:
    """Write the page of an exported file.

    Args:
        folder: to be created.
        exported: folder with the file, model.json and golden/, whose first image becomes the page's example.
        file: name of the ONNX file.
        runtime: from find_runtime().
    """
    shutil.copytree(HERE / "site", folder)
    for name in (file, "model.json"):
        shutil.copyfile(exported / name, folder / name)
    shutil.copytree(exported / "golden" / "000", folder / "example")
    content = {"name": "mobilevision-page", "private": True, "type": "module"}  # so that Node imports decode.js
    (folder / "package.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (folder / "runtime").mkdir()
    for name, here in RUNTIME.items():
        shutil.copyfile(runtime / "dist" / name, folder / "runtime" / here)
    shutil.copyfile(HERE / "onnxruntime-web.LICENSE", folder / "runtime" / "LICENSE")
    name, version = name_and_version(runtime)
    (folder / "runtime" / "VERSION").write_text(f"{name} {version}, MIT\n", encoding="utf-8")
    if notices := third_party_notices():
        shutil.copyfile(notices, folder / "runtime" / "ThirdPartyNotices.txt")


def third_party_notices() -> Path | None:
    """The notices of what ONNX Runtime is built from: the npm package has none, the Python package has."""
    found = find_spec("onnxruntime")
    path = Path(found.origin).with_name("ThirdPartyNotices.txt") if found and found.origin else None
    return path if path and path.is_file() else None
