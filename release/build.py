# SPDX-License-Identifier: Apache-2.0
"""Builds what a release hands out into dist/: a wheel, an sdist, an archive that needs no Python, an SBOM, checksums,
krew's manifest.

    python -m release.build [--date SECONDS] [--url URL] [--finish]

What it is built with and of is locked by hash (release/locked, made by `make locked`).
Two builds of one commit are the same bytes: times are the commit's (or ``--date``), names are sorted, owners are nobody. The
archive is for the platform that this runs on.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import yaml

from kubectl_netdoc import __version__

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
LOCKED = ROOT / "release" / "locked"
PROGRAM = "kubectl-netdoc"
MACHINES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
DEADLINE = 1200.0
PLACEHOLDER = "https://netdoc.invalid"
"""What krew-manifest.yaml has for the address of the repository."""


def this_platform() -> tuple[str, str]:
    """Return the system and the machine as Go, and so krew, names them."""
    return platform.system().lower(), MACHINES[platform.machine()]


def run(*command: str, env: dict[str, str]) -> None:
    """Run a tool; its output is shown where it fails."""
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=DEADLINE)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def environment(work: Path, name: str, locked: str, env: dict[str, str]) -> Path:
    """Make a virtual environment of just what release/locked/LOCKED.txt lists, by hash; return the folder of its programs."""
    run(sys.executable, "-m", "venv", str(work / name), env=env)
    programs = work / name / ("Scripts" if os.name == "nt" else "bin")
    install(programs, "--require-hashes", "-r", str(LOCKED / f"{locked}.txt"), env=env)
    return programs


def install(programs: Path, *what: str, env: dict[str, str]) -> None:
    """Install into a virtual environment."""
    run(str(programs / "python"), "-m", "pip", "install", "--quiet", *what, env=env)


def listed(tools: Path, python: Path, env: dict[str, str]) -> None:
    """Write the SBOM (CycloneDX) of what is installed beside a Python."""
    out = DIST / f"{PROGRAM}_{__version__}.cdx.json"
    run(str(tools / "cyclonedx-py"), "environment", str(python), "--output-reproducible", "-o", str(out), env=env)


def frozen(tools: Path, work: Path, env: dict[str, str]) -> Path:
    """Return the folder of the program with its own Python, made by PyInstaller of what the wheel takes along."""
    programs = environment(work, "venv", "run", env)
    python = programs / "python"
    install(programs, "--no-deps", *map(str, DIST.glob("*.whl")), env=env)
    listed(tools, python, env)
    install(programs, "--require-hashes", "-r", str(LOCKED / "freeze.txt"), env=env)
    collected = ["--collect-submodules", "kubectl_netdoc"]
    data = ["--collect-data", "kubectl_netdoc", "--copy-metadata", PROGRAM]
    agent = f"--add-data={ROOT / 'kubectl_netdoc' / 'agent'}/*.py:kubectl_netdoc/agent"
    places = ["--distpath", str(work / "dist"), "--workpath", str(work / "build"), "--specpath", str(work)]
    options = ["--onedir", "--noconfirm", "--log-level", "ERROR", "--name", PROGRAM, *collected, *data, agent, *places]
    run(str(python), "-m", "PyInstaller", *options, str(ROOT / "release" / "frozen.py"), env=env)
    return work / "dist" / PROGRAM


def packed(folder: Path, date: int) -> bytes:
    """Return a folder as .tar.gz: names in order, every time the same, nobody's."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            info = tar.gettarinfo(str(path), str(path.relative_to(folder)))
            info.mtime, info.uid, info.gid, info.uname, info.gname = date, 0, 0, "", ""
            info.mode = 0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644
            with path.open("rb") if info.isreg() else io.BytesIO() as content:
                tar.addfile(info, content if info.isreg() else None)
    return gzip.compress(held.getvalue(), 9, mtime=0)


def manifest(archives: dict[str, Path], url: str) -> str:
    """Return krew-manifest.yaml for a release: with the archives that there are, their checksums, and the repository's address.

    ``archives``: by name. Ends the program where the manifest is of another version, or lacks one of them.
    """
    text = (ROOT / "krew-manifest.yaml").read_text()
    document = yaml.safe_load(text.replace(PLACEHOLDER, url))
    spec = document["spec"]
    listed = {entry["uri"].rpartition("/")[2]: entry for entry in spec["platforms"]}
    if spec["version"] != f"v{__version__}" or archives.keys() - listed.keys():
        sys.exit(f"krew-manifest.yaml is of {spec['version']}, with {', '.join(listed)}; there are {', '.join(archives)}")
    spec["platforms"] = [
        entry | {"sha256": hashlib.sha256(archives[name].read_bytes()).hexdigest()}
        for name, entry in listed.items()
        if name in archives
    ]
    return yaml.dump(document, Dumper=_Blocks, sort_keys=False, width=1000)


class _Blocks(yaml.SafeDumper):
    """Writes texts of several lines as blocks, as people do."""


def _block(dumper: _Blocks, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Blocks.add_representer(str, _block)


def finish(url: str) -> None:
    """Write krew's manifest and the checksums of what lies in dist/, and print those."""
    archives = {path.name: path for path in DIST.glob(f"{PROGRAM}_{__version__}_*.tar.gz")}
    (DIST / "netdoc.yaml").write_text(manifest(archives, url))  # krew wants a file that has the plugin's name
    (DIST / "SHA256SUMS").write_text(sums())
    print((DIST / "SHA256SUMS").read_text(), end="")


def sums() -> str:
    """Return the checksums of all that lies in dist/, as sha256sum prints them."""
    paths = sorted(path for path in DIST.iterdir() if path.name != "SHA256SUMS")
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths)


def last_commit() -> int:
    """Return the time of the commit that is checked out, in seconds since 1970."""
    told = subprocess.run(["git", "-C", str(ROOT), "log", "-1", "--format=%ct"], capture_output=True, text=True, check=True)
    return int(told.stdout)


def main(args: list[str]) -> None:
    """Build it all."""
    parser = argparse.ArgumentParser(prog="python -m release.build", description="Build a release into dist/.")
    parser.add_argument("--date", type=int, help="seconds since 1970 that all files are of (default: the commit's)")
    parser.add_argument("--url", default=PLACEHOLDER, help="address of the repository on GitHub, for krew's manifest")
    parser.add_argument("--finish", action="store_true", help="build nothing; manifest and checksums of what lies in dist/")
    options = parser.parse_args(args)
    if options.finish:
        finish(options.url)
        return
    date = options.date or last_commit()
    env = os.environ | {"SOURCE_DATE_EPOCH": str(date), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    work = ROOT / "build" / "release"
    for old in (work, DIST):
        shutil.rmtree(old, ignore_errors=True)
    DIST.mkdir()
    tools = environment(work, "tools", "build", env)
    run(str(tools / "python"), "-m", "build", "--no-isolation", "--outdir", str(DIST), env=env)
    for path in DIST.glob("*.tar.gz"):  # setuptools gives an sdist the times of this minute
        with tarfile.open(path) as tar:
            tar.extractall(work / "sdist")  # our own; filter= came with 3.11.4
        path.write_bytes(packed(work / "sdist", date))
    folder = frozen(tools, work, env)
    shutil.copy(ROOT / "LICENSE", folder / "LICENSE")
    system, machine = this_platform()
    archive = DIST / f"{PROGRAM}_{__version__}_{system}_{machine}.tar.gz"
    archive.write_bytes(packed(folder, date))
    finish(options.url)


if __name__ == "__main__":
    main(sys.argv[1:])
