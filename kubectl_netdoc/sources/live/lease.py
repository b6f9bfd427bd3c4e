# SPDX-License-Identifier: Apache-2.0
"""A Lease that one run holds at a time, as controllers hold theirs (coordination.k8s.io/v1).

It is renewed while the run goes on, and given back at its end; of a run that was killed it runs out by itself. Whether it has run
out is judged by the API server's clock.
"""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, field

from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.sources import UNREADABLE, SourceError
from kubectl_netdoc.sources.live.client import ApiError, Client
from kubectl_netdoc.sources.live.decoding import OURS, OWNER

LASTS = 60
"""Seconds after its last renewal for which a Lease is held: what the cluster waits for a run that was killed."""

RENEWED = LASTS / 4
"""Seconds between two renewals, so that three of them may fail."""

ANSWERS = 10.0
"""Seconds that the API server has for each request about it."""

BUSY = 4
"""Exit code of a run that could not have the Lease: nothing was measured."""


class _Metadata(Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _Spec(Struct, frozen=True, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: datetime | None = None
    renew_time: datetime | None = None
    lease_transitions: int | None = None


class _Stored(Struct, frozen=True):
    metadata: _Metadata = field(default_factory=_Metadata)
    spec: _Spec = field(default_factory=_Spec)


class Lease:
    """One Lease in a namespace, and who asks for it."""

    def __init__(self, client: Client, namespace: str, name: str) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace
        self._all = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self.holder = f"{socket.gethostname()[:60]}_{secrets.token_hex(4)}"
        self._ends = threading.Event()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it while the block runs. Raises ``SourceError``: with ``BUSY`` while another run holds it."""
        try:
            self._take()
        except (ApiError, *UNREADABLE) as error:
            raise SourceError(f"can't hold the Lease {self}: {error}; its rights: kubectl netdoc rbac --watch") from error
        renewing = threading.Thread(target=self._renew, daemon=True)
        renewing.start()
        try:
            yield
        finally:
            self._ends.set()
            renewing.join(ANSWERS)
            self._again("", 1)  # if not, it runs out by itself

    def __str__(self) -> str:
        return f"{self._namespace}/{self._name}"

    def _take(self) -> None:
        stored = self._read()
        if stored is None:
            self._write(None, self.holder, LASTS)
            return
        spec = stored.spec
        until = (spec.renew_time or self._client.now()) + timedelta(seconds=spec.lease_duration_seconds or 0)
        if spec.holder_identity and until > self._client.now():
            raise self._busy(spec.holder_identity, until)
        self._write(stored, self.holder, LASTS)

    def _busy(self, holder: str, until: datetime) -> SourceError:
        return SourceError(f"another run holds the Lease {self}: {holder}, until {until:%H:%M:%S} UTC unless it renews it", BUSY)

    def _renew(self) -> None:
        """Renew it until the end. Where that fails for too long another run may begin; this one is nearly over then."""
        while not self._ends.wait(RENEWED):
            self._again(self.holder, LASTS)

    def _again(self, holder: str, seconds: int) -> None:
        """Write it once more, as far as it is still this run's and the server answers."""
        with suppress(ApiError, *UNREADABLE):
            stored = self._read()
            if stored and stored.spec.holder_identity == self.holder:
                self._write(stored, holder, seconds)

    def _read(self) -> _Stored | None:
        """Return what the server has, None if there is none; raises ``ApiError``."""
        try:
            return strict_json.decode(self._client.request("GET", f"{self._all}/{self._name}", timeout=ANSWERS), _Stored)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _write(self, known: _Stored | None, holder: str, seconds: int) -> None:
        """Write it as somebody's, unless somebody else has written it since it was read; raises ``ApiError``."""
        now = self._client.now()
        before = known.spec if known else _Spec()
        taken = holder and holder != before.holder_identity
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds,
            "acquireTime": _micro(now if taken else before.acquire_time or now),
            "renewTime": _micro(now),
            "leaseTransitions": (before.lease_transitions or 0) + bool(taken and known),
        }
        metadata: dict[str, Any] = {"name": self._name, "labels": {OWNER: OURS}}
        if known is None:
            self._client.request("POST", self._all, body={"metadata": metadata, "spec": spec}, timeout=ANSWERS)
            return
        metadata["resourceVersion"] = known.metadata.resource_version
        self._client.request("PUT", f"{self._all}/{self._name}", body={"metadata": metadata, "spec": spec}, timeout=ANSWERS)


def _micro(when: datetime) -> str:
    """Return a moment as the API has it where microseconds count."""
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")
