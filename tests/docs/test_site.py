"""The site: every page is reachable, what the pages quote is in the code, and it builds and opens without a network."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NAVIGATION = (ROOT / "mkdocs.yml").read_text()
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def listed() -> list[str]:
    """The pages of the navigation."""
    (nav,) = (yaml.safe_load("nav:\n" + part)["nav"] for part in NAVIGATION.split("\nnav:\n")[1:])
    entries = [entry for section in nav for pages in section.values() for entry in pages]
    return [page for entry in entries for page in (entry.values() if isinstance(entry, dict) else [entry])]


def test_every_page_is_in_the_navigation():
    generated = re.findall(r'"(reference/[\w.]+)"|: "(\w+\.md)"', (DOCS / "hooks" / "pages.py").read_text())
    names = {name for pair in generated for name in pair if name}
    names |= {
        f"reference/keys_{name}.md" for name in ("segment", "detect", "classify", "multilabel", "multitask", "search")
    }
    assert {"reference/options.md", "reference/commands.md", "security.md"} <= names
    assert sorted(listed()) == sorted([*PAGES, *names])


def test_messages_of_the_questions_are_in_the_code():
    """Each piece of a heading's message, between the …, is in some string of the code."""
    files = [path for room in ("tasks", "backbones", "heads") for path in (ROOT / room).rglob("*.py")]
    code = " ".join(path.read_text() for path in [*files, ROOT / "mobilevision.py"])
    code = re.sub(r'"\s*\n\s*f?"', "", code)
    messages = re.findall(r"^### `(.+)`$", (DOCS / "faq.md").read_text(), re.MULTILINE)
    assert len(messages) > 15
    for message in messages:
        pieces = [piece.strip(" (?):,.") for piece in message.split("…")]
        for piece in filter(None, pieces):
            assert piece in code, message


def test_every_picture_is_small():
    for path in (DOCS / "images").iterdir():
        assert path.stat().st_size <= 200_000, path


@pytest.mark.docs
@pytest.mark.skipif(find_spec("mkdocs") is None, reason='needs pip install "mobilevision[docs]"')
def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path, request):
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and not done.stderr, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        assert not re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', page.read_text()), page
    chromium = request.getfixturevalue("chromium")
    chromium.open(tmp_path / "site" / "reference" / "keys_segment.html")
    box = chromium.driver.find_element("css selector", ".md-search__input")
    box.click()
    box.send_keys("holdout")
    script = """
        const done = arguments[0];
        const look = () => {
            const found = document.querySelectorAll(".md-search-result__item").length;
            found ? done(found) : setTimeout(look, 100);
        };
        look();
    """
    assert chromium.driver.execute_async_script(script) > 1
    assert chromium.complaints() == []
