# SPDX-License-Identifier: Apache-2.0
"""Credential plugins: programs that a kubeconfig names (users[].user.exec), run as kubectl runs them.

Sources: Kubernetes, client-go credential plugins (client.authentication.k8s.io/v1 and v1beta1).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from kubectl_netdoc.formats import strict_json

UNATTENDED, ATTENDED = 60.0, 300.0
"""Seconds to wait for a credential plugin that can't ask the user, and for one that lets the user log in."""

AGAIN = 10.0
"""Seconds within which a plugin is not run again: its credential has expired by only one of two clocks that disagree."""

SHOWN = 300
"""Most characters of a plugin's error output that are shown."""


class NoCredentials(Exception):
    """Raised if a plugin returned nothing usable: one line that says why."""


class Credential(Struct, rename="camel"):
    """A plugin's credential: a token, or a certificate and its key (PEM); and when it expires."""

    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: datetime | None = None


class _Answer(Struct, rename="camel"):
    api_version: str
    status: Credential


class Credentials:
    """A plugin's credential, renewed once it has expired or is refused. Safe for several threads at once."""

    def __init__(self, ask: Callable[[], Credential]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._failure: NoCredentials | None = None
        self._asked = self._refused = float("-inf")
        self._current = Credential()
        self._renew()

    def valid(self, now: datetime) -> Credential:
        """Return the credential that is valid at a time of the API server's clock; raises ``NoCredentials``."""
        with self._lock:
            ends = self._current.expiration_timestamp
            if ends is not None and ends <= now and time.monotonic() > self._asked + AGAIN:
                self._renew()
            return self._current

    def refused(self, token: str) -> bool:
        """Tell whether there is a new token for one that the server refused; raises ``NoCredentials``."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if token == self._current.token and time.monotonic() > self._refused + AGAIN:
                self._refused = time.monotonic()
                self._renew()
            return self._current.token not in (None, "", token)

    def certificate(self) -> dict[str, str]:
        """Return the certificate and its key by their names in a kubeconfig; empty if the plugin returned none."""
        found = {
            "client-certificate-data": self._current.client_certificate_data,
            "client-key-data": self._current.client_key_data,
        }
        return {name: content for name, content in found.items() if content}

    def _renew(self) -> None:
        if self._failure is not None:  # the next of a hundred requests would fail too
            raise self._failure
        try:
            self._current = self._ask()
        except NoCredentials as error:
            self._failure = error
            raise
        self._asked = time.monotonic()


def ask(plugin: Mapping[str, Any], cluster: Mapping[str, Any], folder: Path) -> Credential:
    """Run a plugin; raises ``NoCredentials``. ``folder``: that of the kubeconfig, for a command with a relative path."""
    command = str(plugin.get("command") or "")
    version = str(plugin.get("apiVersion") or "")
    interactive = _interactive(str(plugin.get("interactiveMode") or "IfAvailable"), command)
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = _cluster_info(cluster, folder)
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": spec}
    more = {str(pair["name"]): str(pair["value"]) for pair in plugin.get("env") or ()}
    program = str(folder / command) if os.path.dirname(command) else command
    try:
        done = subprocess.run(
            [program, *map(str, plugin.get("args") or ())],
            env={**os.environ, **more, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if interactive else subprocess.PIPE,
            timeout=ATTENDED if interactive else UNATTENDED,
            check=False,
        )
    except FileNotFoundError as error:
        hint = " ".join(str(plugin.get("installHint") or "").split())
        raise NoCredentials(
            f"the credential plugin {command} of the kubeconfig is not installed" + (f": {hint}" if hint else "")
        ) from error
    except subprocess.TimeoutExpired as error:
        raise NoCredentials(f"the credential plugin {command} did not finish within {error.timeout:.0f} s") from error
    except OSError as error:
        raise NoCredentials(f"the credential plugin {command} can't be run: {error.strerror}") from error
    if done.returncode:
        said = " ".join((done.stderr or b"").decode("utf-8", "replace").split())[-SHOWN:]
        raise NoCredentials(
            f"the credential plugin {command} failed with exit code {done.returncode}" + (f": {said}" * bool(said))
        )
    return _understood(done.stdout, version, command)


def _interactive(mode: str, command: str) -> bool:
    """Tell whether a plugin may use the terminal; raises ``NoCredentials`` if it needs one and there is none."""
    terminal = sys.stdin is not None and sys.stdin.isatty()
    if mode == "Always" and not terminal:
        raise NoCredentials(
            f"the credential plugin {command} needs a terminal to ask you something (interactiveMode: Always); run netdoc "
            "in a terminal"
        )
    return terminal and mode != "Never"


def _understood(output: bytes, version: str, command: str) -> Credential:
    """Return the credential in a plugin's output. Invalid output is never quoted, because it may contain a token."""
    try:
        answer = strict_json.decode(output, _Answer)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise NoCredentials(f"the credential plugin {command} did not print an ExecCredential with a status") from error
    given = answer.status
    if answer.api_version != version:
        raise NoCredentials(
            f"the credential plugin {command} returned {answer.api_version}, but the kubeconfig asks for {version}"
        )
    if not given.token and not (given.client_certificate_data and given.client_key_data):
        raise NoCredentials(f"the credential plugin {command} returned neither a token nor a certificate with its key")
    if given.expiration_timestamp is not None and given.expiration_timestamp.tzinfo is None:
        given.expiration_timestamp = given.expiration_timestamp.replace(tzinfo=UTC)
    return given


def _cluster_info(cluster: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the cluster's data for a plugin (ExecCredential, spec.cluster)."""
    names = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
    info = {name: cluster[name] for name in (*names, "disable-compression") if cluster.get(name)}
    if cluster.get("certificate-authority") and "certificate-authority-data" not in info:
        import base64

        content = (folder / str(cluster["certificate-authority"])).read_bytes()
        info["certificate-authority-data"] = base64.b64encode(content).decode()
    for extension in cluster.get("extensions") or ():
        if extension.get("name") == "client.authentication.k8s.io/exec":
            info["config"] = extension.get("extension")
    return info
