# SPDX-License-Identifier: Apache-2.0
"""`make release`, in a repository of its own: what it refuses, what it writes, and that it pushes nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kubectl_netdoc import __version__

ROOT = Path(__file__).parents[2]
DEPLOYED = ("chart/Chart.yaml", "kustomize/watch/kustomization.yaml", "kustomize/cronjob/kustomization.yaml")
FILES = (
    *("release/tag.py", "pyproject.toml", "kubectl_netdoc/__init__.py", "CHANGELOG.md", "krew-manifest.yaml"),
    *(f"deploy/{name}" for name in DEPLOYED),
)


def git(folder: Path, *args: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@t.invalid")
    return subprocess.run(["git", "-C", str(folder), *who, *args], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for key in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{key}_NAME", "t")
        monkeypatch.setenv(f"GIT_{key}_EMAIL", "t@t.invalid")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "all")):
        git(tmp_path, *command)
    return tmp_path


def release(folder: Path, version: str, test: str = "true") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "release/tag.py", version, test], cwd=folder, capture_output=True, text=True, timeout=60
    )


def test_a_release_is_written_and_tagged(copy: Path) -> None:
    done = release(copy, "9.8.7")
    assert done.returncode == 0, done.stderr
    assert 'version = "9.8.7"' in (copy / "pyproject.toml").read_text()
    assert '__version__ = "9.8.7"' in (copy / "kubectl_netdoc" / "__init__.py").read_text()
    manifest = (copy / "krew-manifest.yaml").read_text()
    assert "  version: v9.8.7\n" in manifest
    assert "/v9.8.7/kubectl-netdoc_9.8.7_linux_amd64.tar.gz" in manifest
    assert __version__ not in manifest
    for name in DEPLOYED:
        text = (copy / "deploy" / name).read_text()
        assert (text.count("9.8.7"), text.count(__version__)) == (2 if name.startswith("chart") else 1, 0)
    changelog = (copy / "CHANGELOG.md").read_text()
    assert changelog.index("## [Unreleased]") < changelog.index("## [9.8.7] - ")
    assert (git(copy, "tag").split(), git(copy, "status", "--porcelain")) == (["v9.8.7"], "")


@pytest.mark.parametrize("version", ["", "1", "v1.2.3", "1.2.03", "1.2.3 "])
def test_what_is_no_version_is_refused(version: str, copy: Path) -> None:
    assert release(copy, version).returncode == 1
    assert git(copy, "tag") == ""


def test_nothing_is_released_that_is_not_committed_or_fails_or_says_nothing(copy: Path) -> None:
    assert release(copy, "9.8.7", "false").returncode == 1
    (copy / "new").write_text("x")
    assert release(copy, "9.8.7").returncode == 1
    (copy / "new").unlink()
    (copy / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [0.1.0]\n\n- a\n")
    git(copy, "commit", "-qam", "nothing new")
    assert release(copy, "9.8.7").returncode == 1
    assert git(copy, "tag") == ""


def test_the_version_is_one_and_the_changelog_keeps_its_form() -> None:
    sections = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("### ")]
    assert set(sections) <= {f"### {name}" for name in ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")}
    told = {
        form: (ROOT / name).read_text()
        for name, form in (("pyproject.toml", "version"), ("kubectl_netdoc/__init__.py", "__version__"))
    }
    versions = {line.split('"')[1] for form, text in told.items() for line in text.splitlines() if line.startswith(f"{form} = ")}
    assert len(versions) == 1
