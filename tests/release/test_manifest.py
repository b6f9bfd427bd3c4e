# SPDX-License-Identifier: Apache-2.0
"""krew's manifest: of this version, with a part for every platform that the release builds, and what a release makes of it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import yaml

from kubectl_netdoc import __version__
from release.build import PLACEHOLDER, manifest
from release.tag import raised

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "krew-manifest.yaml").read_text()
RUNNERS = {
    "ubuntu-24.04": "linux_amd64",
    "ubuntu-24.04-arm": "linux_arm64",
    "macos-14": "darwin_arm64",
    "macos-15-intel": "darwin_amd64",
    "windows-2022": "windows_amd64",
}


def test_it_has_the_platforms_that_the_release_builds() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    built = [RUNNERS[runner] for runner in workflow["jobs"]["archive"]["strategy"]["matrix"]["runner"]]
    spec = yaml.safe_load(TEXT)["spec"]
    assert spec["version"] == f"v{__version__}"
    found = {}
    for part in spec["platforms"]:
        labels = part["selector"]["matchLabels"]
        platform = f"{labels['os']}_{labels['arch']}"
        name = f"kubectl-netdoc_{__version__}_{platform}.tar.gz"
        assert part["uri"] == f"{PLACEHOLDER}/releases/download/v{__version__}/{name}"
        found[platform] = part["bin"]
    assert found == {platform: "kubectl-netdoc" + ".exe" * platform.startswith("windows") for platform in built}


def test_krew_search_shows_all_of_the_short_description() -> None:
    assert len(yaml.safe_load(TEXT)["spec"]["shortDescription"]) <= 50


def test_a_release_fills_in_addresses_and_checksums(tmp_path: Path) -> None:
    path = tmp_path / f"kubectl-netdoc_{__version__}_linux_arm64.tar.gz"
    path.write_bytes(b"archive")
    document = yaml.safe_load(manifest({path.name: path}, "https://github.example/a/b"))
    (part,) = document["spec"]["platforms"]
    assert part["uri"] == f"https://github.example/a/b/releases/download/v{__version__}/{path.name}"
    assert part["sha256"] == hashlib.sha256(b"archive").hexdigest()
    own = yaml.safe_load(TEXT)
    assert document["spec"]["homepage"] == "https://github.example/a/b"
    assert {key: document["spec"][key] for key in ("description", "caveats")} == {
        key: own["spec"][key] for key in ("description", "caveats")
    }


def test_an_archive_that_it_does_not_list_is_told(tmp_path: Path) -> None:
    path = tmp_path / f"kubectl-netdoc_{__version__}_plan9_amd64.tar.gz"
    with pytest.raises(SystemExit, match="plan9_amd64"):
        manifest({path.name: path}, PLACEHOLDER)


@pytest.mark.parametrize("version", ["1.2.3", "10.0.0-rc.1"])
def test_the_version_is_raised_wherever_it_stands(version: str) -> None:
    changed = raised(TEXT, version)
    assert raised(changed, __version__) == TEXT
    assert len(re.findall(re.escape(version), changed)) == len(re.findall(re.escape(__version__), TEXT)) == 11
