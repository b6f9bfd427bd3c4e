# SPDX-License-Identifier: Apache-2.0
"""What is handed out: the archive runs without this machine's Python, krew installs it, and two builds are the same bytes.

Slow: some minutes. `make dist-test`, which CI runs; the program itself is tested everywhere else.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
CACHE = Path(os.environ.get("LAB_HOME", "~/.cache/kubectl-netdoc/lab")).expanduser().parent / "krew"
DEADLINE = 1200
DEMO = str(ROOT / "demo" / "kube-proxy-hung.json")
PLUGIN = ROOT / "examples" / "netdoc-plugin-example"

pytestmark = pytest.mark.release


def run(*command: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=DEADLINE)


def worst(report: str) -> str:
    """Return the code of the worst cause of a report, where there is one."""
    (code,) = (line.split()[1] for line in report.splitlines() if line.startswith("FAIL "))
    return code


def build() -> dict[str, str]:
    """Build, and return the checksum of each file."""
    done = run("python", "-m", "release.build", cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in DIST.iterdir()}


@pytest.fixture(scope="module")
def built() -> dict[str, str]:
    return build()


@pytest.fixture(scope="module")
def archive(built: dict[str, str]) -> Path:
    (found,) = DIST.glob("kubectl-netdoc_*.tar.gz")
    return found


@pytest.fixture(scope="module")
def unpacked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archive) as tar:
        tar.extractall(folder)
    return folder


def bare(folder: Path, **more: str) -> dict[str, str]:
    """An environment without any Python of this machine's."""
    return {"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8", **more}


def test_the_archive_needs_no_python_and_says_the_same(unpacked: Path) -> None:
    env = bare(unpacked)
    told = run("kubectl-netdoc", "check", "--from", DEMO, "-o", "json", env=env)
    own = run("kubectl-netdoc", "check", "--from", DEMO, "-o", "json")
    assert told.returncode == own.returncode == 1
    reports = [json.loads(done.stdout) for done in (told, own)]
    assert [f["id"] for f in reports[0]["findings"]] == [f["id"] for f in reports[1]["findings"]]
    assert len(reports[0]["results"]) > 40
    assert (unpacked / "LICENSE").is_file()


@pytest.mark.parametrize(
    "args",
    [
        *(("version",), ("list",), ("explain", "SVR001"), ("schema",), ("--help",), ("check", "--help"), ("completion", "bash")),
        *(("check", "--from", DEMO, "-o", form) for form in ("html", "sarif", "junit", "yaml", "markdown")),
        ("collect", "--anonymize", "--from", DEMO, "-"),
    ],
)
def test_everything_works_from_it(args: tuple[str, ...], unpacked: Path) -> None:
    told, own = (run("kubectl-netdoc", *args, env=env) for env in (bare(unpacked), None))
    assert told.returncode == own.returncode
    assert "Traceback" not in told.stderr
    assert len(told.stdout) > 0.9 * len(own.stdout) > 0


def test_the_sbom_lists_what_is_in_the_archive(built: dict[str, str]) -> None:
    (path,) = DIST.glob("*.cdx.json")
    names = {part["name"] for part in json.loads(path.read_text())["components"]}
    assert {"kubectl-netdoc", "kubernetes", "msgspec", "click", "dnspython"} <= names
    assert not names & {"pytest", "mypy", "pyinstaller", "cyclonedx-bom"}


def test_the_agent_is_in_it(unpacked: Path) -> None:
    assert {"base.py", "echo.py", "host.py", "main.py"} <= {path.name for path in unpacked.rglob("kubectl_netdoc/agent/*.py")}


def test_a_plugin_is_found_in_a_folder(unpacked: Path, tmp_path: Path) -> None:
    pip = ("python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation")
    done = run(*pip, "--target", str(tmp_path), str(PLUGIN))
    assert done.returncode == 0, done.stderr
    assert "node_labels" in run("kubectl-netdoc", "list", env=bare(unpacked, NETDOC_PLUGINS=str(tmp_path))).stdout
    assert "node_labels" not in run("kubectl-netdoc", "list", env=bare(unpacked)).stdout


def test_a_credential_plugin_gets_the_users_libraries(unpacked: Path, tmp_path: Path) -> None:
    """PyInstaller's LD_LIBRARY_PATH is for its own process: a plugin that loads other libraries would break."""
    seen, plugin = tmp_path / "seen", tmp_path / "plugin"
    plugin.write_text(f'#!/bin/sh\necho "<$LD_LIBRARY_PATH>" > {seen}\nexit 1\n')
    plugin.chmod(0o755)
    asked = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"exec": asked}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    env = bare(unpacked, KUBECONFIG=str(tmp_path / "config"), LD_LIBRARY_PATH="/theirs")
    done = run("kubectl-netdoc", "check", "--no-pods", env=env)
    assert done.returncode == 3
    assert seen.read_text() == "</theirs>\n"


@pytest.fixture(scope="module")
def installers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs pip, pipx and uv."""
    folder = tmp_path_factory.mktemp("installers")
    assert run("python", "-m", "venv", str(folder)).returncode == 0
    done = run(str(folder / "bin" / "pip"), "install", "--quiet", "pipx", "uv")
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.mark.parametrize(
    ("command", "remove"),
    [
        (("pip", "install", "--quiet"), ("pip", "uninstall", "--quiet", "--yes", "kubectl-netdoc")),
        (("pipx", "install"), ("pipx", "uninstall", "kubectl-netdoc")),
        (("uv", "tool", "install"), ("uv", "tool", "uninstall", "kubectl-netdoc")),
    ],
    ids=["pip", "pipx", "uv"],
)
def test_every_installer_installs_it_for_kubectl_and_removes_it(
    installers: Path, built: dict[str, str], tmp_path: Path, command: tuple[str, ...], remove: tuple[str, ...]
) -> None:
    (wheel,) = DIST.glob("*.whl")
    programs = installers if command[0] == "pip" else tmp_path / "bin"
    own = {
        "HOME": str(tmp_path),
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(programs),
        "UV_TOOL_DIR": str(tmp_path / "uv"),
    }
    own |= {"UV_TOOL_BIN_DIR": str(programs), "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_PYTHON_DOWNLOADS": "never"}
    if "PIP_CERT" in os.environ:  # pip's name for what uv calls so
        own["SSL_CERT_FILE"] = os.environ["PIP_CERT"]
    kubectl = Path(str(shutil.which("kubectl"))).resolve().parent
    env = os.environ | own | {"PATH": f"{programs}:{installers}:{kubectl}:/usr/bin:/bin"}
    done = run(str(installers / command[0]), *command[1:], str(wheel), env=env)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in programs.glob("kubectl*netdoc")} == {"kubectl-netdoc", "kubectl_complete-netdoc"}
    checked = run("kubectl", "netdoc", "check", "--from", DEMO, env=env)
    assert (checked.returncode, worst(checked.stdout)) == (1, "SVR001")
    assert run(str(installers / remove[0]), *remove[1:], env=env).returncode == 0
    assert list(programs.glob("kubectl*netdoc")) == []


@pytest.fixture(scope="module")
def krew() -> Path:
    """Krew itself, of the version in krew/go.mod; what validates manifests of its index lies beside it."""
    if not shutil.which("go"):
        pytest.skip("no Go to build krew with")
    target = CACHE / "krew-v0.5.0"
    if not (target / "validate-krew-manifest").exists():
        target.mkdir(parents=True, exist_ok=True)
        programs = ("sigs.k8s.io/krew/cmd/krew", "sigs.k8s.io/krew/cmd/validate-krew-manifest")
        command = ("go", "build", "-mod=mod", "-o", f"{target}/", *programs)
        done = run(*command, env=os.environ | {"CGO_ENABLED": "0"}, cwd=Path(__file__).with_name("krew"))
        assert done.returncode == 0, done.stderr
    return target / "krew"


@pytest.mark.parametrize("name", ["krew-manifest.yaml", "dist/netdoc.yaml"])
def test_krews_index_would_take_the_manifest(krew: Path, built: dict[str, str], tmp_path: Path, name: str) -> None:
    """The one in the repository as it is, and the one of the release. The validator wants the file to have the plugin's name."""
    shutil.copy(ROOT / name, tmp_path / "netdoc.yaml")
    done = run(str(krew.with_name("validate-krew-manifest")), "-manifest", str(tmp_path / "netdoc.yaml"), "-skip-install")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def served() -> Iterator[str]:
    """Where dist/ is served on loopback."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(DIST))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_krew_installs_upgrades_and_uninstalls(krew: Path, archive: Path, served: str, tmp_path: Path) -> None:
    """From the manifest and the archive, then through an index of one's own with a newer version, by the real kubectl."""
    kubectl = Path(str(shutil.which("kubectl"))).resolve()
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "kubectl").symlink_to(kubectl)
    home = tmp_path / "krew-root"
    env = os.environ | {"KREW_ROOT": str(home), "PATH": f"{tools}:{home}/bin:/usr/bin:/bin", "KREW_NO_UPGRADE_CHECK": "1"}
    env["KREW_DEFAULT_INDEX_URI"] = str(index(tmp_path / "index", f"{served}/{archive.name}"))
    manifest = DIST / "netdoc.yaml"
    assert run(str(krew), "update", env=env).returncode == 0
    done = run(str(krew), "install", f"--manifest={manifest}", f"--archive={archive}", env=env)
    assert done.returncode == 0, done.stderr
    checked = run("kubectl", "netdoc", "check", "--from", DEMO, env=env)
    assert (checked.returncode, worst(checked.stdout)) == (1, "SVR001")
    assert run(str(krew), "uninstall", "netdoc", env=env).returncode == 0
    assert [path for path in home.rglob("*netdoc*") if "index" not in path.parts] == []
    assert run(str(krew), "install", "netdoc", env=env).returncode == 0, "from the index"
    newer(tmp_path / "index", "v99.0.0")
    upgraded = run(str(krew), "upgrade", "netdoc", env=env)
    assert upgraded.returncode == 0, upgraded.stderr
    assert "v99.0.0" in run(str(krew), "list", env=env).stdout + (home / "receipts" / "netdoc.yaml").read_text()
    assert run("kubectl", "netdoc", "version", env=env).returncode == 0
    assert run(str(krew), "uninstall", "netdoc", env=env).returncode == 0


def index(folder: Path, url: str) -> Path:
    """An index of krew's: a git repository with the manifest, its archive at that place."""
    (folder / "plugins").mkdir(parents=True)
    document = yaml.safe_load((DIST / "netdoc.yaml").read_text())
    document["spec"]["platforms"][0]["uri"] = url
    (folder / "plugins" / "netdoc.yaml").write_text(yaml.safe_dump(document))
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "index")):
        git(folder, *command)
    return folder


def newer(folder: Path, version: str) -> None:
    path = folder / "plugins" / "netdoc.yaml"
    document = yaml.safe_load(path.read_text())
    document["spec"]["version"] = version
    path.write_text(yaml.safe_dump(document))
    git(folder, "commit", "-qam", version)


def git(folder: Path, *args: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@t.invalid")
    subprocess.run(["git", "-C", str(folder), *who, *args], check=True, timeout=60)


def test_two_builds_are_the_same_bytes(built: dict[str, str]) -> None:
    assert build() == built
