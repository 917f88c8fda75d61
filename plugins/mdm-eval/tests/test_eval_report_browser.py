"""The page of ``mdm report`` in a real browser: what it loads, says, shows and lets one do."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from mdm_eval.asking import Question
from mdm_eval.costs import Costs
from mdm_eval.page.page import write_page
from mdm_eval.report.document import report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    "--remote-debugging-pipe",
)


class Browser:
    """Chromium without a window, told what to do by the DevTools protocol over pipes: no port, no other package.

    Args:
        profile: An empty directory for its profile.
    """

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        told, tell = os.pipe()
        hear, heard = os.pipe()
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20) for fd in (told, heard)]

        def place() -> None:
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self._process = subprocess.Popen(
            [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(3, 4),
            preexec_fn=place,
            stderr=subprocess.DEVNULL,
        )
        for fd in (told, heard, *ends):
            os.close(fd)
        self._out, self._in = os.fdopen(tell, "wb", 0), os.fdopen(hear, "rb", 0)
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        (target, *_) = [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()
        self._in.close()

    def call(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol, and wait for its answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, path: Path, width: int = 1200, height: int = 900, scheme: str = "light") -> None:
        """Open a page, and wait until it is there."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def ask(self, expression: str) -> Any:
        """Work out an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key])

    def point(self, x: float, y: float) -> None:
        """Move the pointer to a place in the window."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def screenshot(self) -> bytes:
        """Take a picture of the whole page."""
        return b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def print(self) -> bytes:
        """Print to PDF."""
        return b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def complaints(self) -> list[str]:
        """What the page has written to the console, and what was refused or has failed."""
        told = {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Network.loadingFailed"}
        return [json.dumps(event) for event in self.events if event.get("method") in told]

    def requests(self) -> list[str]:
        """Addresses that were asked for."""
        sent = (event for event in self.events if event.get("method") == "Network.requestWillBeSent")
        return [event["params"]["request"]["url"] for event in sent]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = self._in.read(1 << 20)
            assert part, "the browser has gone"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


KEYS = {"ArrowRight": 39, "End": 35, "Escape": 27, "Tab": 9}
HOSTILE = "<script>pwned=1</script>"
CONTRAST = """(() => {
  const light = (text) => {
    const parts = text.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255);
    const [r, g, b] = parts.map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const isText = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!isText || element.tagName === "SCRIPT") continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(element.closest("svg") ? style.fill : style.color), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${element.tagName} ${element.textContent.slice(0, 20)} ${ratio}`);
  }
  return low;
})()"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def made(run_of: Any, ran_once: Any, tmp_path_factory: Any) -> Path:
    """The page of a run against another, whose events bring names that would do harm as markup."""
    directory = tmp_path_factory.mktemp("pages")
    events = [
        {**event, "id": f"{HOSTILE}{n}", "site": f'"><img src=x onerror=pwned=2> {n % 3}', HOSTILE: n % 7}
        for n, event in enumerate(ran_once.events[:400])
    ]
    ran, other = (
        run_of(directory / name, events, 'features.include=["*"]', 'features.categories=["colour"]', *more)
        for name, more in (("a", ()), ("b", ("model.threshold=0.6",)))
    )
    names: dict[str, Any] = dict.fromkeys(("action", "positive", "since", "until"))
    question = Question("r", ran.runs_dir, "probability", **names, by="site")
    write_page(report(question, str(other.runs_dir / "r"), Costs(), 3), directory / "report.html")
    return Path(directory / "report.html")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: Any) -> Iterator[Browser]:
    """A browser."""
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


class TestPage:
    def test_quiet_and_alone(self, browser: Browser, made: Path) -> None:
        """The page complains of nothing, asks for nothing but itself, and runs nothing of what it shows."""
        browser.open(made)
        assert [] == browser.complaints()
        assert [made.as_uri()] == browser.requests()
        assert "undefined" == browser.ask("typeof pwned")
        assert browser.ask(f"document.body.textContent.includes({HOSTILE!r})")

    def test_policy_holds(self, browser: Browser, made: Path) -> None:
        """Even markup that got into the page could run and load nothing."""
        browser.open(made)
        browser.ask("document.body.insertAdjacentHTML('beforeend', '<img src=http://localhost:9/x onerror=pwned=3>')")
        browser.ask("document.body.append(Object.assign(document.createElement('script'), {text: 'pwned = 4'}))")
        assert "undefined" == browser.ask("typeof pwned")
        assert browser.complaints()

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_contrast(self, browser: Browser, made: Path, scheme: str) -> None:
        """Every text has the contrast that WCAG AA asks for, 4.5 to 1, in light and in dark."""
        browser.open(made, scheme=scheme)
        browser.ask("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        assert [] == browser.ask(CONTRAST)
        dark = browser.ask("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
        assert (scheme == "dark") is dark

    @pytest.mark.parametrize("width", [320, 390, 800, 1600])
    def test_any_width(self, browser: Browser, made: Path, width: int) -> None:
        """The page fits the window, and nothing has to be moved sideways but tables in their frames."""
        browser.open(made, width=width)
        assert width == browser.ask("document.documentElement.scrollWidth")
        assert 0 == browser.ask("scrollTo(1000, 0), scrollX")

    def test_tip_by_pointer(self, browser: Browser, made: Path) -> None:
        """Pointing at a mark tells its figures, inside the window."""
        browser.open(made, width=390)
        told = browser.ask(
            "(() => { const m = document.querySelectorAll('#quality .hit')[3]; m.scrollIntoView({block: 'center'});"
            " const r = m.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2, m.dataset.tip]; })()"
        )
        browser.point(told[0], told[1])
        assert told[2] == browser.ask("document.getElementById('tip').textContent")
        box = "document.getElementById('tip').getBoundingClientRect()"
        assert 0 <= browser.ask(f"{box}.left") < browser.ask(f"{box}.right") <= 390

    def test_tip_by_keyboard(self, browser: Browser, made: Path) -> None:
        """A chart is one stop of the tab key; arrows go from mark to mark, and each tells its figures."""
        browser.open(made)
        chart = "document.querySelector('#quality svg')"
        assert 1 == browser.ask(f"{chart}.querySelectorAll('[tabindex=\"0\"]').length")
        browser.ask(f"{chart}.querySelector('.hit').focus()")
        told = [browser.ask("document.getElementById('tip').textContent")]
        for key in ("ArrowRight", "End"):
            browser.press(key)
            told.append(browser.ask("document.getElementById('tip').textContent"))
        tips = browser.ask(f"[...{chart}.querySelectorAll('.hit')].map((m) => m.dataset.tip)")
        assert [tips[0], tips[1], tips[-1]] == told
        browser.press("Escape")
        assert browser.ask("document.getElementById('tip').hidden")

    def test_frames(self, browser: Browser, made: Path) -> None:
        """A table is a stop of the tab key only where a part of it is out of sight."""
        browser.open(made, width=390)
        frames = "[...document.querySelectorAll('.scroll')].filter((f) => f.offsetParent)"
        hides = "f.scrollWidth > f.clientWidth || f.scrollHeight > f.clientHeight"
        assert browser.ask(f"{frames}.every((f) => (f.tabIndex === 0) === ({hides}))")
        assert [False, True] == browser.ask(f"[...new Set({frames}.map((f) => f.tabIndex === 0))].sort()")

    def test_filters(self, browser: Browser, made: Path) -> None:
        """Examples can be narrowed by kind, outcome and text, and it is said how many are left."""
        browser.open(made)
        rows = "[...document.querySelectorAll('#flips-table tbody tr')].filter((r) => !r.hidden)"
        whole = browser.ask(f"{rows}.length")
        assert f"{whole} of {whole} shown" == browser.ask("document.getElementById('flip-count').textContent")
        for field, value, column in (("outcome", "right to act", 4), ("text", f"{HOSTILE}1", 0)):
            browser.ask(
                f"(() => {{ const f = document.getElementById('flip-{field}'); f.value = {value!r};"
                " f.dispatchEvent(new Event('input')); })()"
            )
            left = browser.ask(f"{rows}.map((r) => r.cells[{column}].textContent)")
            assert 0 < len(left) < whole
            assert all(value in text for text in left)
            assert f"{len(left)} of {whole} shown" == browser.ask("document.getElementById('flip-count').textContent")

    def test_print(self, browser: Browser, made: Path) -> None:
        """The page can be printed, in dark mode too, and comes out in black on white."""
        browser.open(made, scheme="dark")
        assert browser.print().startswith(b"%PDF-")
        browser.call("Emulation.setEmulatedMedia", media="print")
        assert ["rgb(255, 255, 255)", "none"] == browser.ask(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('nav')).display]"
        )
        assert [] == browser.ask(CONTRAST)
        browser.call("Emulation.setEmulatedMedia", media="")
