# SPDX-License-Identifier: Apache-2.0
"""How the tests of CNIs' own policies ask: by the names of three pods, and by addresses."""

from __future__ import annotations

from collections.abc import Iterable

from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.verdict import End, Verdict
from kubectl_netdoc.records.kinds import POD

SPACES = {"a": {"team": "red"}, "b": {"team": "blue"}}
WHERE = {"server": "a", "near": "a", "guest": "b"}
"""The namespace of each pod."""

OUTSIDE = "192.0.2.9"


def end(of: Engine, name: str) -> End:
    """A pod by its name, or an address."""
    if name not in WHERE:
        return of.address(name)
    pod = of.cluster.get(POD, WHERE[name], name)
    assert pod is not None
    return of.pod(pod)


def verdict(of: Engine, source: str, destination: str = "server", port: int = 80, protocol: str = "TCP") -> Verdict:
    """What becomes of connections from one end to another."""
    return of.verdict(end(of, source), end(of, destination), ports.of(protocol, port), 4)


def letter(found: Verdict) -> str:
    """``y``, ``n``, or ``?`` where it is not certain."""
    return "?" if found.depends or found.incomplete else "y" if found.allowed else "n"


def letters(of: Engine, sources: Iterable[str]) -> str:
    """One letter for each source that asks the server."""
    return "".join(letter(verdict(of, source)) for source in sources)
