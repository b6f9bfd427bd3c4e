# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver with its etcd on loopback, of the lab's build: all that the API itself can tell, without a cluster."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

HOME = Path(os.environ.get("LAB_HOME", "~/.cache/kubectl-netdoc/lab")).expanduser()
BINARIES = next(
    (path.parent for path in (HOME / "bin/kube-apiserver", *HOME.glob("*/bin/kube-apiserver")) if path.exists()), HOME
)
STARTS, ENDS, APPLIES = 90.0, 15.0, 120.0
"""Seconds that the two processes may take to begin and to end, and kubectl to apply what it is given."""

STORED = 8 << 30
"""Bytes that etcd may keep."""

TOKEN = "admin-of-a-test"


class RealServer:
    """The server. ``kubeconfig``: of its administrator."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.kubeconfig = folder / "kubeconfig"
        user = {"name": "admin", "user": {"token": TOKEN}}
        cluster = {"name": "real", "cluster": {"server": url, "insecure-skip-tls-verify": True}}
        context = {"name": "real", "context": {"cluster": "real", "user": "admin"}}
        head = {"apiVersion": "v1", "kind": "Config", "current-context": "real"}
        self.kubeconfig.write_text(json.dumps(head | {"users": [user], "clusters": [cluster], "contexts": [context]}))

    def kubectl(self, *words: str, given: str = "", fails: bool = False) -> str:
        """Run kubectl and return what it printed; where it ``fails`` what it complained of."""
        kubectl = BINARIES / "kubectl"
        command = [
            str(kubectl),
            "--kubeconfig",
            str(self.kubeconfig),
            "--cache-dir",
            str(self.kubeconfig.parent / "cache"),
            *words,
        ]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=APPLIES)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr if fails else done.stdout

    def apply(self, *documents: dict[str, Any]) -> None:
        """Create objects, or bring them up to date."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=yaml.safe_dump_all(documents))

    def define(self, documents: list[dict[str, Any]]) -> None:
        """Create CustomResourceDefinitions and wait until they are served."""
        self.apply(*documents)
        names = [f"crd/{each['metadata']['name']}" for each in documents]
        self.kubectl("wait", "--for=condition=Established", f"--timeout={STARTS:.0f}s", *names)

    def refusal(self, document: dict[str, Any]) -> str:
        """Return why the server refuses an object; "" if it would take it. Nothing is created."""
        given = yaml.safe_dump(document)
        try:
            self.kubectl("create", "--dry-run=server", "--validate=ignore", "-f", "-", given=given)
        except AssertionError as error:
            return str(error)
        return ""


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _process(name: str, folder: Path, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    assert (BINARIES / name).exists(), f"there is no {name} in {BINARIES}: lab/lab build makes it"
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([str(BINARIES / name), *flags], stdout=log, stderr=log, cwd=folder)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(ENDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(ENDS)


@contextmanager
def real_api_server(
    folder: Path, fill: Callable[[str], None] = lambda etcd: None, services: str = "10.96.0.0/16"
) -> Iterator[RealServer]:
    """Run an API server without controllers, nodes or admission of its own while the block runs.

    ``fill`` is called with the URL of etcd before the server starts; ``services``: the range of ClusterIPs.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "sa.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    (folder / "tokens").write_text(f"{TOKEN},admin,admin,system:masters\n")
    stored, peer, served = (_port() for _ in range(3))
    etcd = f"http://127.0.0.1:{stored}"
    with (
        _process(
            "etcd",
            folder,
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
            f"--quota-backend-bytes={STORED}",
            "--log-level=error",
        ) as store,
        _filled(etcd, fill, folder, store),
        _process(
            "kube-apiserver",
            folder,
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=10.0.0.1",  # of the Service kubernetes; loopback is refused
            f"--secure-port={served}",
            f"--cert-dir={folder}",
            f"--token-auth-file={folder / 'tokens'}",
            "--authorization-mode=RBAC",
            f"--service-cluster-ip-range={services}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={folder / 'sa.key'}",
            f"--service-account-key-file={folder / 'sa.key'}",
            "--disable-admission-plugins=ServiceAccount",
        ) as server,
    ):
        url = f"https://127.0.0.1:{served}"
        _wait(f"{url}/readyz", folder, store, server)
        yield RealServer(url, folder)


@contextmanager
def _filled(etcd: str, fill: Callable[[str], None], folder: Path, store: subprocess.Popen[bytes]) -> Iterator[None]:
    _wait(f"{etcd}/health", folder, store)
    fill(etcd)
    yield


def _wait(url: str, folder: Path, *processes: subprocess.Popen[bytes]) -> None:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    end = time.monotonic() + STARTS
    while time.monotonic() < end:
        for process in processes:
            assert process.poll() is None, (folder / f"{Path(str(process.args[0])).name}.log").read_text()[-2000:]  # type: ignore[index]
        try:
            with urllib.request.urlopen(request, timeout=2, context=trusting) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError("\n".join(log.read_text()[-2000:] for log in folder.glob("*.log")))


def definitions(module: str, channel: str) -> list[dict[str, Any]]:
    """Return the CustomResourceDefinitions in a Go module's config/crd/CHANNEL, from the Go module proxy."""
    go = shutil.which("go")
    assert go, "go is needed to fetch the definitions"
    done = subprocess.run([go, "mod", "download", "-json", module], capture_output=True, text=True, timeout=APPLIES, cwd="/")
    archive = json.loads(done.stdout)["Zip"]  # there even where the module wants a newer Go to be used
    found: list[dict[str, Any]] = []
    with zipfile.ZipFile(archive) as files:
        for name in sorted(files.namelist()):
            if f"/config/crd/{channel}/" in name and name.endswith(".yaml"):
                found += [each for each in yaml.safe_load_all(files.read(name)) if each]
    return [each for each in found if each.get("kind") == "CustomResourceDefinition"]
