# SPDX-License-Identifier: Apache-2.0
"""Makes a release of what is checked out: `make release VERSION=1.2.3`.

Nothing may be uncommitted, CHANGELOG.md must have something under Unreleased, and the tests must pass. Then the version is
written, the changelog's section gets its name and day, both are committed and tagged. Nothing is pushed: the last line says how.
"""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
PLACES = {"pyproject.toml": "version", "kubectl_netdoc/__init__.py": "__version__"}
"""Where the version stands, and by what name. In krew-manifest.yaml it is part of addresses, too."""

DEPLOYED = ("chart/Chart.yaml", "kustomize/watch/kustomization.yaml", "kustomize/cronjob/kustomization.yaml")
"""Files of deploy/ that name the image's version, and the chart's."""


def git(*args: str) -> str:
    """Run git here and return what it prints; ends the program where it fails."""
    done = subprocess.run(["git", "-C", str(ROOT), *args], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"git {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout.strip()


def renamed(changelog: str, version: str, day: str) -> str:
    """Return the changelog with what was unreleased under the version, and an empty Unreleased before it."""
    head, found, rest = changelog.partition("## [Unreleased]\n")
    if not found or not rest.split("\n## [")[0].strip():
        sys.exit("CHANGELOG.md has nothing under ## [Unreleased]")
    return f"{head}## [Unreleased]\n\n## [{version}] - {day}\n{rest}"


def written(text: str, name: str, version: str) -> str:
    """Return a file with the version where that name is set; ends the program where that is not there once."""
    changed, times = re.subn(rf'^{name} = "[^"]+"$', f'{name} = "{version}"', text, flags=re.MULTILINE)
    if times != 1:
        sys.exit(f"there is not one line that sets {name}")
    return changed


def raised(manifest: str, version: str) -> str:
    """Return krew's manifest with the version in place of its own, wherever that stands."""
    (own,) = re.findall(r"^  version: v(\S+)$", manifest, flags=re.MULTILINE)
    return re.sub(rf"(?<=[v_]){re.escape(own)}(?![0-9])", version, manifest)


def deployed(text: str, version: str) -> str:
    """Return a file of deploy/ with the version of chart and image."""
    return re.sub(r"^( *(?:version|appVersion|newTag): )\S+$", rf"\g<1>{version}", text, flags=re.MULTILINE)


def main(version: str, test: str = "make test") -> None:
    """Check, test, write, commit, tag."""
    if not SEMANTIC.fullmatch(version):
        sys.exit(f"{version!r} is no semantic version, such as 1.2.3")
    if git("status", "--porcelain"):
        sys.exit("there are uncommitted changes")
    if git("tag", "--list", f"v{version}"):
        sys.exit(f"v{version} is there already")
    changelog = renamed((ROOT / "CHANGELOG.md").read_text(), version, f"{datetime.now(UTC):%Y-%m-%d}")
    if subprocess.run(test, shell=True, cwd=ROOT).returncode:
        sys.exit(f"{test} failed: no release")
    (ROOT / "CHANGELOG.md").write_text(changelog)
    for path, name in PLACES.items():
        (ROOT / path).write_text(written((ROOT / path).read_text(), name, version))
    manifest = ROOT / "krew-manifest.yaml"
    manifest.write_text(raised(manifest.read_text(), version))
    for path in DEPLOYED:
        (ROOT / "deploy" / path).write_text(deployed((ROOT / "deploy" / path).read_text(), version))
    git("commit", "-qam", f"Release {version}")
    git("tag", "-a", f"v{version}", "-m", f"kubectl netdoc {version}")
    print(f"v{version} is made; to publish it: git push origin HEAD v{version}")


if __name__ == "__main__":
    if len(sys.argv) < 2 or not sys.argv[1]:
        sys.exit("make release VERSION=1.2.3")
    main(*sys.argv[1:])
