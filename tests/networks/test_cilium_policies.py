# SPDX-License-Identifier: Apache-2.0
"""Policies of Cilium's own kinds on a real Cilium: what netdoc predicts is what happens."""

from __future__ import annotations

import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from lab.faults.runner import Lab
from tests.networks import cilium_policies
from tests.networks.observe import (
    CLOSED,
    OPEN,
    OTHER,
    OUTSIDE,
    SERVER,
    WAYS,
    Way,
    apply,
    gateway,
    node_address,
    observe,
    open_to_the_outside,
    until,
)
from tests.networks.predict import predicted

GENERATED = {f"generated {seed}": cilium_policies.generated(seed) for seed in range(60)}
BY_HAND = {name: [cilium_policies.manifest(text) for text in texts] for name, texts in cilium_policies.ROWS.items()}
EGRESS = {name: [cilium_policies.manifest(text) for text in texts] for name, texts in cilium_policies.EGRESS.items()}
FROM = WAYS + tuple(Way(OUTSIDE, port) for port in (OPEN, OTHER, CLOSED))
TO = tuple(Way(source, port) for source in ("pol-a/near", "pol-a/far", "pol-b/guest") for port in (OPEN, OTHER, CLOSED))
SETTLED = 5.0
"""Seconds in which Cilium makes of a policy what it makes: all rows that deny something took less."""

PLACES = ("server", "worker", "worker2", "control-plane", OUTSIDE)


@pytest.fixture(scope="module", autouse=True)
def only_on_cilium(network: str) -> None:
    if network != "cilium":
        pytest.skip("no Cilium here")


@pytest.fixture(scope="module")
def served(lab: Lab, address: str) -> Iterator[dict[str, str]]:
    """Addresses that something listens at: the server's pod, three nodes, and this machine."""
    nodes = {name: node_address(lab, name) for name in PLACES[1:-1]}
    started = []
    for name in nodes:
        command = ["docker", "exec", f"{lab.name}-{name}", "sh", "-c", 'echo $$; exec python3 -c "$0"', SERVER]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        started.append((name, process, process.stdout.readline().strip()))
    handler = type("Handler", (socketserver.BaseRequestHandler,), {"handle": lambda self: self.request.sendall(b"here")})
    here = [socketserver.ThreadingTCPServer((gateway(lab), port), handler) for port in (OPEN, OTHER)]
    for one in here:
        threading.Thread(target=one.serve_forever, daemon=True).start()
    yield {"server": address, **nodes, OUTSIDE: gateway(lab)}
    for one in here:
        one.shutdown()
        one.server_close()
    for name, process, pid in started:
        subprocess.run(["docker", "exec", f"{lab.name}-{name}", "kill", pid], check=False, timeout=60)
        process.wait(timeout=30)


@pytest.fixture
def bare(lab: Lab, clean: str) -> Iterator[str]:
    """The server's address; Cilium's policies are removed afterwards."""
    open_to_the_outside(lab)
    yield clean
    lab.kubectl("-n", "pol-a", "delete", "ciliumnetworkpolicies", "--all")
    lab.kubectl("delete", "ciliumclusterwidenetworkpolicies", "--all")


def wrong(lab: Lab, address: str, wanted: dict[Way, str]) -> dict[Way, str]:
    """Return what differs. Where nothing should be denied, that is seen again when the engine has had its time to deny something."""
    found = until(lab, address, wanted)
    if found or "timeout" in wanted.values():
        return found
    time.sleep(SETTLED)
    return until(lab, address, wanted, 0)


def test_without_a_policy_all_is_open(lab: Lab, bare: str) -> None:
    wanted = {way: "refused" if way.port == CLOSED else "ok" for way in FROM}
    assert predicted(lab, bare, FROM) == wanted
    assert until(lab, bare, wanted) == {}


@pytest.mark.parametrize("name", [*BY_HAND, *GENERATED])
def test_policy_does_what_is_predicted(lab: Lab, bare: str, name: str) -> None:
    lacking = cilium_policies.SINCE_1_16.get(name)
    definition = "ciliumnetworkpolicies.cilium.io"
    if lacking and f'"{lacking}"' not in lab.kubectl("get", "crd", definition, "-o", "json"):
        pytest.skip(f"this Cilium has no {lacking}")
    for item in (BY_HAND | GENERATED)[name]:
        apply(lab, item)
    wanted = predicted(lab, bare, FROM)
    assert len(wanted) == len(FROM)
    assert wrong(lab, bare, wanted) == {}


def test_without_a_policy_all_is_let_out_to(lab: Lab, bare: str, served: dict[str, str]) -> None:
    for address in served.values():
        assert until(lab, address, {way: "refused" if way.port == CLOSED else "ok" for way in TO}) == {}


@pytest.mark.parametrize("name", list(EGRESS))
def test_egress_policy_does_what_is_predicted(lab: Lab, bare: str, served: dict[str, str], name: str) -> None:
    for item in EGRESS[name]:
        apply(lab, item)
    found = {place: wrong(lab, address, predicted(lab, address, TO)) for place, address in served.items()}
    assert {place: differing for place, differing in found.items() if differing} == {}


def test_most_of_egress_is_certain(lab: Lab, bare: str, served: dict[str, str]) -> None:
    for item in EGRESS["to the world"]:
        apply(lab, item)
    assert all(len(predicted(lab, address, TO)) == len(TO) for address in served.values())


def test_there_are_enough_policies() -> None:
    assert len(BY_HAND) + len(EGRESS) >= 60


def test_the_table_sees_every_outcome(lab: Lab, bare: str) -> None:
    for item in BY_HAND["a closed port"]:
        apply(lab, item)
    wanted = predicted(lab, bare, FROM)
    assert set(wanted.values()) == {"ok", "refused", "timeout"}
    assert until(lab, bare, wanted) == {}
    assert set(observe(lab, bare, FROM).values()) == {"ok", "refused", "timeout"}
