# SPDX-License-Identifier: Apache-2.0
"""The HTML report in a real browser: nothing is fetched, every cause shows, by keyboard and on a phone too, light and dark."""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubectl_netdoc import report
from kubectl_netdoc.core.finding import Severity
from kubectl_netdoc.core.report import Report
from tests.report.test_report import EVERYTHING
from tests.report.test_schemas import REPORTS
from tests.support.browser import Page, browser, program

NO_BROWSER = pytest.mark.skipif(not program(), reason="no Chromium here (Debian: apt install chromium)")
WHICH = {**{name: REPORTS[name] for name in ("healthy", "broken")}, "nasty": EVERYTHING}
TROUBLE = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
CSS = Path(report.__file__).with_name("report.css").read_text()


def of(name: str) -> Report:
    return WHICH[name]


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with browser() as page:
        yield page


@pytest.fixture(params=WHICH)
def page(request: pytest.FixtureRequest, tab: Page, tmp_path: Path) -> Page:
    file = tmp_path / f"{request.param}.html"
    file.write_text(report.renderer("html", Severity.INFO, False)(of(request.param)))
    tab.events.clear()
    tab.name = request.param  # type: ignore[attr-defined]
    tab.size(1280, 900)
    tab.scheme("light")
    tab.open(file)
    return tab


def shown(page: Page) -> Report:
    return of(page.name)  # type: ignore[attr-defined]


@NO_BROWSER
def test_nothing_is_fetched_and_nothing_goes_wrong(page: Page) -> None:
    page.run("new Promise(done => setTimeout(done, 200))")
    asked = [e["params"]["request"]["url"] for e in page.events if e.get("method") == "Network.requestWillBeSent"]
    wrong = [
        e for e in page.events if e.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
    ]
    assert [url for url in asked if not url.startswith("file:")] == []
    assert wrong == []


@NO_BROWSER
def test_every_cause_is_there_to_be_read(page: Page) -> None:
    causes = [finding for finding in shown(page).causes() if finding.severity is not Severity.INFO]
    assert page.run("document.querySelectorAll('main article').length") == len(causes)
    text = page.run("document.body.innerText")
    assert [finding.code for finding in causes if finding.code not in text] == []
    assert page.run("document.querySelectorAll('article .command button:not([hidden])').length") == sum(
        len(finding.commands) for finding in causes
    )


@NO_BROWSER
def test_a_command_is_copied_as_it_is(page: Page) -> None:
    command = page.run("document.querySelector('article code')?.textContent ?? ''")
    if not command:
        assert not any(finding.commands for finding in shown(page).causes() if finding.severity is not Severity.INFO)
        return
    page.run("document.querySelector('article .command button').focus()")
    page.press("Enter")
    page.run("new Promise(done => setTimeout(done, 100))")
    assert page.run("navigator.clipboard.readText()").rstrip("\n") == command.rstrip("\n")
    assert command.strip() in page.run("document.getElementById('told').textContent")


@NO_BROWSER
def test_the_keyboard_reaches_everything_from_the_top_down(page: Page) -> None:
    wanted = page.run("document.querySelectorAll('a[href], button:not([hidden]), summary, [tabindex=\"0\"]').length")
    reached = []
    for _ in range(min(wanted, 60)):
        page.press("Tab")
        reached.append(page.run("(e => [e.className, e.getBoundingClientRect().top + scrollY])(document.activeElement)"))
    assert reached[0][0] == "skip"
    tops = [top for _, top in reached[1:]]
    assert tops == sorted(tops)
    assert len({tuple(each) for each in reached}) >= min(wanted, 60) - 2


@NO_BROWSER
def test_a_screen_reader_has_names_and_an_outline(page: Page) -> None:
    page.send("Accessibility.enable")
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    named = [
        (n["role"]["value"], n.get("name", {}).get("value", ""))
        for n in nodes
        if not n.get("ignored") and n.get("role", {}).get("value") in ("button", "region", "link", "table", "main", "heading")
    ]
    assert [role for role, name in named if not name.strip() and role not in ("main", "table")] == []
    assert sum(role == "main" for role, _ in named) == 1
    levels = page.run("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.run("[...document.querySelectorAll('table')].every(t => t.caption && t.querySelector('th[scope]'))")
    assert page.run("document.documentElement.lang") == "en"


@NO_BROWSER
@pytest.mark.parametrize("width", [320, 375, 1280])
def test_it_fits_the_window(page: Page, width: int) -> None:
    page.size(width, 800)
    assert page.run("document.documentElement.scrollWidth") <= width


@NO_BROWSER
def test_it_follows_the_scheme(page: Page) -> None:
    light = page.run("getComputedStyle(document.body).backgroundColor")
    page.scheme("dark")
    assert page.run("getComputedStyle(document.body).backgroundColor") != light


@NO_BROWSER
def test_it_prints(page: Page) -> None:
    assert base64.b64decode(page.send("Page.printToPDF")["data"]).startswith(b"%PDF")


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))


SCHEMES = {"light": colours(CSS.split("@media")[0]), "dark": colours(CSS.split("prefers-color-scheme: dark")[1].split("* {")[0])}


def luminance(colour: str) -> float:
    """WCAG 2.2: relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_stands_out(scheme: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text on whatever it stands on."""
    known = SCHEMES[scheme]
    pairs = [("text", on) for on in ("page", "panel", "broken", *(f"heat{step}" for step in range(5)))]
    pairs += [(word, on) for word in ("quiet", "fail", "warn", "ok", "link") for on in ("page", "panel")]
    ratios = {
        pair: (max(map(luminance, (known[pair[0]], known[pair[1]]))) + 0.05)
        / (min(map(luminance, (known[pair[0]], known[pair[1]]))) + 0.05)
        for pair in pairs
    }
    assert {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio < 4.5} == {}
