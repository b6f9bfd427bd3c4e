# SPDX-License-Identifier: Apache-2.0
"""The site builds without a warning, has a page for all that netdoc can say, and shows what netdoc prints now."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from kubectl_netdoc.engine import registry
from tools.picture import picture

ROOT = Path(__file__).parents[2]


MARKDOWN_LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = ["mkdocs", "build", "--strict", "--site-dir", str(folder), "--config-file", str(ROOT / "mkdocs.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


class Links(HTMLParser):
    """What a page leads to and what can be led to in it."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.targets.append(value)
            if name in ("id", "name") and value:
                self.anchors.add(value)


def read(path: Path) -> Links:
    links = Links()
    links.feed(path.read_text())
    return links


def broken(site: Path) -> Iterator[str]:
    """Yield each link of the site that leads to a page, a file or an anchor that is not there."""
    pages = {path: read(path) for path in site.rglob("*.html") if path.name != "404.html"}
    for path, links in pages.items():
        for target in links.targets:
            place = urlsplit(target)
            if place.scheme or place.netloc:
                continue
            to = (path.parent / unquote(place.path)).resolve() if place.path else path
            to = to / "index.html" if to.is_dir() else to
            if not to.is_file():
                yield f"{path.relative_to(site)}: {target}"
            elif place.fragment and to in pages and unquote(place.fragment) not in pages[to].anchors:
                yield f"{path.relative_to(site)}: {target} (no such place there)"


def test_every_link_leads_somewhere(site: Path) -> None:
    assert list(broken(site)) == []


def test_a_page_for_all_that_it_can_say(site: Path) -> None:
    known = registry.load()
    assert {path.stem for path in (site / "codes").glob("*.html")} >= known.codes.keys()
    assert {path.stem for path in (site / "checks").glob("*.html")} >= {check.id for check in known.checks}


def test_each_page_has_its_markdown_beside_it_and_its_links_lead_somewhere(site: Path) -> None:
    pages = {path.with_suffix(".md") for path in site.rglob("*.html") if path.name != "404.html"}
    assert {path for path in pages if not path.is_file()} == set()
    links = [
        (path, target) for path in pages for target in MARKDOWN_LINK.findall(path.read_text()) if not urlsplit(target).scheme
    ]
    gone = [(path.name, to) for path, to in links if to[0] != "#" and not (path.parent / urlsplit(to).path).is_file()]
    assert gone == []


def test_the_list_for_programs_has_every_page_and_every_code(site: Path) -> None:
    text = (site / "llms.txt").read_text()
    listed = MARKDOWN_LINK.findall(text)
    assert text.startswith("# kubectl netdoc\n\n> ")
    assert [target for target in listed if not (site / target).is_file()] == []
    assert {f"codes/{code}.md" for code in registry.load().codes} <= set(listed)
    apart = ("checks/", "codes/")
    everything = {str(path.relative_to(site)) for path in site.rglob("*.md")}
    assert {name for name in everything - set(listed) if not name.startswith(apart)} == set()


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """Pages open offline: scripts, styles and pictures are the site's own."""
    fetched = re.compile(r'<(?:script|img|link)[^>]*(?:src|href)="(https?:[^"]+)"')
    assert {found for path in site.rglob("*.html") for found in fetched.findall(path.read_text())} == set()


def test_the_picture_is_of_what_is_printed_now() -> None:
    """Made by: make docs"""
    drawn = (ROOT / "docs" / "run.svg").read_text()
    assert drawn == picture()
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")


def test_what_the_readme_leads_to_is_there() -> None:
    for name in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)", (ROOT / name).read_text()):
            assert (ROOT / target).exists(), (name, target)


def test_each_threat_has_a_test_that_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text()))
    there = {name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r"def (test_\w+)\(", path.read_text())}
    assert named
    assert named <= there


WRITTEN_BY_THE_READER = {
    "kubectl_netdoc/checks/nodes/node_pressure.py",
    "tests/checks/nodes/node_pressure.py",
    "findings/NAME.sh",
}
"""What CONTRIBUTING.md tells to write."""

NAMES = [*sorted(path.name for path in (ROOT / "docs").glob("*.md")), "README.md", "CONTRIBUTING.md", "SECURITY.md"]


def named_files(text: str) -> set[str]:
    """What a page names in backticks and is a file of Python or, below a folder of the package or the repository, anything."""
    tops = {path.name for folder in (ROOT, ROOT / "kubectl_netdoc") for path in folder.iterdir() if path.is_dir()}
    found = set(re.findall(r"`([\w.-]+(?:/[\w.-]+)*/?)`", text))
    return {name for name in found if name.endswith(".py") or ("/" in name and name.split("/")[0] in tops)}


@pytest.mark.parametrize("name", NAMES)
def test_files_that_a_page_names_are_there(name: str) -> None:
    """By their path in the repository or in the package; a name alone stands for a file anywhere in it."""
    page = ROOT / name if (ROOT / name).exists() else ROOT / "docs" / name
    listing = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True).stdout
    files = {Path(line).name for line in listing.splitlines()}
    gone = {
        named
        for named in named_files(page.read_text()) - WRITTEN_BY_THE_READER
        if not any((folder / named).exists() for folder in (ROOT, ROOT / "kubectl_netdoc")) and named not in files
    }
    assert gone == set()
