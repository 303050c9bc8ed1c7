"""The decoders that ship beside every exported file, one for each language: what model.json says, in code."""

import shutil
from pathlib import Path

from tasks.deploy import decode
from tasks.page.folder import HERE as PAGE

DECODERS = {  # by the name beside the file
    "decode.py": Path(decode.__file__),
    "decode.hpp": Path(__file__).with_name("decode.hpp"),
    "decode.js": PAGE / "site" / "decode.js",  # the page's own
}


def copy_decoders(folder: Path) -> None:
    """Write them into an export's folder."""
    for name, source in DECODERS.items():
        shutil.copyfile(source, folder / name)
