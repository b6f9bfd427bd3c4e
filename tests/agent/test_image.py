# SPDX-License-Identifier: Apache-2.0
"""The image for debug pods that is to be built where the default can't be had: what is in it is enough, for any user.

There is no Docker in these tests: the file tree is put together from the Debian packages that the Dockerfile names, and theirs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from kubectl_netdoc import agent
from kubectl_netdoc.sources.live.exec import BOOTSTRAP
from tests.agent.test_echo import free_port
from tests.support.agent_process import LONGEST, ask, outcomes
from tests.support.udp_servers import healthy, udp_server

DOCKERFILE = Path(__file__).parents[2] / "release" / "image" / "Dockerfile"
OPENSHIFT_USER = 1000740000
"""One of those that OpenShift gives to a namespace; its group is 0. No image knows it."""


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, each with its lines joined."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(word, rest) for line in joined.splitlines() for word, _, rest in [line.partition(" ")]]


def packages() -> list[str]:
    """Return the Debian packages that the Dockerfile installs."""
    (run,) = (rest for word, rest in instructions() if word == "RUN")
    found = re.search(r"apt-get install (?:--\S+ )*([a-z0-9. -]+?)\s*&&", run)
    assert found is not None
    return found[1].split()


def test_the_dockerfile_is_one() -> None:
    words = [word for word, _ in instructions()]
    assert words == ["ARG", "FROM", "RUN", "USER", "CMD"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", dict(instructions())["USER"])  # runAsNonRoot takes no name for it
    assert json.loads(dict(instructions())["CMD"])[0] == "python3"


def closure(names: list[str]) -> set[str]:
    """Return these packages and all that they depend on, as installed here."""
    wanted, found = list(names), set()
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        said = subprocess.run(
            ["dpkg-query", "-W", "-f=${db:Status-Status};${Pre-Depends},${Depends}\\n", name], capture_output=True, text=True
        )
        status, _, needs = said.stdout.partition("\n")[0].partition(";")
        if status != "installed":
            if name in names:
                pytest.skip(f"the Debian package {name} is not installed here")
            continue  # one of several that would do
        found.add(name)
        wanted += [re.split(r"[ :(]", part.strip())[0] for part in re.split(r"[,|]", needs) if part.strip()]
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file tree with nothing but those packages."""
    if os.geteuid() != 0 or not shutil.which("dpkg-query"):
        pytest.skip("only root can make a file tree the root of a process, and only Debian has its packages")
    top = tmp_path_factory.mktemp("image")
    for name in ("bin", "sbin", "lib", "lib64"):
        if Path("/", name).is_symlink():
            (top / "usr" / name).mkdir(parents=True)
            (top / name).symlink_to(f"usr/{name}")
    files = subprocess.run(["dpkg-query", "-L", *closure(packages())], capture_output=True, text=True, check=True).stdout
    for path in map(Path, sorted(set(files.split()))):
        copy = top / path.relative_to("/")
        if path.is_symlink() or path.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            if not copy.is_symlink() and not copy.exists():
                shutil.copy2(path, copy, follow_symlinks=False)
    top.chmod(0o755)
    for folder in top.parents[:2]:
        folder.chmod(0o755)
    return top


def command(root: Path, user: str, *words: str) -> list[str]:
    """Return a command with that tree as its root, as that user, without a home."""
    return ["env", "-i", "PATH=/usr/sbin:/usr/bin:/bin", "chroot", f"--userspec={user}", str(root), "python3", *words]


USERS = pytest.mark.parametrize("user", ["65534:65534", f"{OPENSHIFT_USER}:0"])


@pytest.mark.parametrize("host", [False, True], ids=["pod", "host"])
@USERS
def test_the_agent_runs_in_it_as_anybody(root: Path, user: str, host: bool) -> None:
    with udp_server(healthy) as server:
        program = agent.source(host)
        batch = json.dumps({"budget": 20, "asks": [ask(0, server)]}).encode()
        done = subprocess.run(
            command(root, user, "-c", BOOTSTRAP),
            input=b"%d\n%s%d\n%s" % (len(program), program, len(batch), batch),
            capture_output=True,
            timeout=LONGEST,
            check=False,
        )
    assert done.stderr == b""
    first, reply, end = done.stdout.splitlines()
    assert (first, outcomes(json.loads(reply)), json.loads(end)["end"]) == (b"", ["ok"] * 3, True)


@USERS
def test_the_echo_server_runs_in_it_as_anybody(root: Path, user: str) -> None:
    port = free_port()
    process = subprocess.Popen(command(root, user, "-c", agent.echo_source(), "nonce", "pod-1", str(port)))
    try:
        deadline = time.monotonic() + LONGEST
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert process.poll() is None
            assert time.monotonic() < deadline
    finally:
        process.kill()
        process.wait()
