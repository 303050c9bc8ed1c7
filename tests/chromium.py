"""A headless Chromium for tests of pages: open, click, photograph; whatever its console complains about is a failure.

Debian's packages `chromium` and `chromium-driver` bring it; `.ci/run` installs them. Elsewhere these tests skip.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = (  # nothing is asked of the network; the camera is Chromium's moving test picture
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)
DESKTOP, PHONE = (1280, 900), (390, 844)  # CSS pixels, width and height


class Chromium:
    """One browser of one test; `driver` is selenium's, for what has no method here."""

    def __init__(self, profile: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.options import Options
        from selenium.webdriver.chrome.service import Service

        options = Options()
        options.binary_location = str(shutil.which("chromium"))
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
        self.driver.set_script_timeout(120)
        self.resize(DESKTOP)

    def open(self, page: Path | str) -> None:
        """A file on disk, or an address; returns when it has loaded."""
        self.driver.get(page.resolve().as_uri() if isinstance(page, Path) else page)

    def resize(self, size: tuple[int, int]) -> None:
        """The size of the page's viewport, also below the width that a window may have."""
        width, height = size
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def scheme(self, name: str) -> None:
        """What prefers-color-scheme says: light or dark."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a JavaScript function's body; a promise is awaited."""
        return self.driver.execute_script(script, *arguments)

    def texts(self, selector: str) -> list[str]:
        """The texts of all elements that a selector finds."""
        found: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)", selector
        )
        return found

    def settle(self) -> None:
        """Wait until what follows the size of the page has done so."""
        self.run("return new Promise((done) => setTimeout(done, 150))")

    def complaints(self) -> list[str]:
        """What the console said since the last call, from warnings on; a page of ours says nothing."""
        return [line["message"] for line in self.driver.get_log("browser") if line["level"] in ("WARNING", "SEVERE")]

    def photograph(self, file: Path, whole: bool = False) -> Path:
        """A PNG of the viewport, or of the whole page."""
        import base64

        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": whole})
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(shot["data"]))
        return file

    def overflows(self) -> bool:
        """Whether the page is wider than its viewport."""
        return bool(self.run("return document.documentElement.scrollWidth > document.documentElement.clientWidth"))

    def close(self) -> None:
        self.driver.quit()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A browser for the tests of one file."""
    pytest.importorskip("selenium", reason="no selenium: pip install 'mobilevision[test]'")
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("no Chromium here: Debian's packages chromium and chromium-driver")
    browser = Chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()
