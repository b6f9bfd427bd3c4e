# SPDX-License-Identifier: Apache-2.0
"""netdoc on the real lab: silent when healthy, right under each fault, silent again after, and nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from kubectl_netdoc.core.cluster import Listing
from kubectl_netdoc.records.kinds import EVENT, KINDS
from kubectl_netdoc.sources.live import lists
from kubectl_netdoc.sources.live.client import Client, Options
from lab.faults.model import Pair, on, pairs
from lab.faults.runner import Fault, Lab, all_faults
from tests.e2e.conftest import DEADLINE, Netdoc
from tests.support.faults import found, judge, looked_at_all

IN_CI = frozenset(
    {
        "app-on-localhost",
        "cni-config-doubled",
        "coredns-zero",
        "corefile-self-forward",
        "kube-proxy-hung",
        "mtu-black-hole",
        "network-agent-missing",
        "node-route-missing",
        "overlay-port-dropped",
        "pod-link-down",
        "policy-forgets-dns",
        "service-port-wrong",
        "service-rule-missing",
        "webhook-unserved",
    }
)
"""Faults of `make e2e`: one of each kind. The others run with `make e2e-all`; `make score` also proves their fixes."""

FAULTS = [fault for fault in all_faults() if fault.expect]
ROWS = [pytest.param(f, id=f.name, marks=() if f.name in IN_CI else pytest.mark.slow) for f in FAULTS]


@pytest.mark.parametrize("run", range(4))
@pytest.mark.parametrize("flags", [(), ("--privileged",)], ids=["pods", "privileged"])
def test_healthy_is_silent(netdoc: Netdoc, flags: tuple[str, ...], run: int) -> None:
    done = netdoc("check", "-o", "json", *flags)
    assert done.stdout, (done.returncode, done.stderr)
    report = json.loads(done.stdout)
    assert found(report) == set()
    assert looked_at_all(report), {result["check"]: result["state"] for result in report["results"]}
    assert done.returncode == 0
    assert len(report["coverage"]["measured_nodes"]) == 3
    assert done.stderr == ""


@pytest.mark.parametrize("fault", ROWS)
def test_fault(netdoc: Netdoc, lab: Lab, fault: Fault) -> None:
    if fault.mode not in ("", lab.mode()):
        pytest.skip(f"it is one of kube-proxy's {fault.mode} mode")
    with lab.broken(fault):
        done = netdoc("check", "-o", "json", *fault.flags)
    assert done.stdout, (done.returncode, done.stderr)
    report = json.loads(done.stdout)
    judge(report, on(fault, lab.name))
    assert done.returncode == any(finding["severity"] == "fail" for finding in report["findings"])
    assert found(netdoc.report(*fault.flags)) == set()
    assert netdoc.namespaces() == set()


@pytest.mark.parametrize("pair", [pytest.param(pair, id=pair.name, marks=pytest.mark.slow) for pair in pairs()])
def test_two_faults_at_once(netdoc: Netdoc, lab: Lab, pair: Pair) -> None:
    flags = dict.fromkeys(flag for fault in pair.faults for flag in fault.flags)
    with lab.broken(*pair.faults):
        report = netdoc.report(*flags)
    judge(report, *(on(fault, lab.name) for fault in pair.faults))
    assert found(netdoc.report(*flags)) == set()


def test_a_bundle_gives_the_same_report(netdoc: Netdoc, lab: Lab, tmp_path: Path) -> None:
    fault = next(fault for fault in FAULTS if fault.name == "coredns-zero")
    with lab.broken(fault):
        assert netdoc("collect", str(tmp_path / "bundle.json.gz")).returncode == 0
        live = netdoc.report()
    again = netdoc.report("--from", str(tmp_path / "bundle.json.gz"))
    replayed = netdoc.report("--from", str(tmp_path / "bundle.json.gz"))
    assert {**again, "seconds": 0} == {**replayed, "seconds": 0}
    assert found(again) == found(live)
    judge(again, on(fault, lab.name))


def test_lists_continue_over_pages(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server itself pages: two objects a page bring the same as all at once."""
    client = Client(Options(kubeconfig=str(lab.kubeconfig)))
    kinds = tuple(kind for kind in KINDS.values() if kind is not EVENT)
    whole = lists.read(client, kinds, ())
    monkeypatch.setattr(lists, "PAGE", 2)
    calls = client.usage.calls
    paged = lists.read(client, kinds, ())
    lists_of = [whole.listing(kind) for kind in kinds if not (kind.names or kind.logs or kind.pointed)]
    assert client.usage.calls - calls >= sum(max(1, -(-len(one.items) // 2)) for one in lists_of if isinstance(one, Listing))
    for kind in kinds:
        one, other = whole.listing(kind), paged.listing(kind)
        if not isinstance(one, Listing):
            assert one.by_design  # a policy kind that this server does not have
            continue
        assert isinstance(other, Listing)
        assert {(item.namespace, item.name) for item in one.items} == {(item.namespace, item.name) for item in other.items}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_cleans_up(netdoc: Netdoc, number: signal.Signals) -> None:
    process = subprocess.Popen(
        ["kubectl-netdoc", "check"], env=netdoc.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + DEADLINE
    while not netdoc.namespaces() and process.poll() is None:
        assert time.monotonic() < deadline
    assert process.poll() is None, "the run ended before it could be interrupted"
    process.send_signal(number)
    output, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130, errors
    assert output == ""
    assert len(errors.splitlines()) == 1
    assert netdoc.namespaces() == set()
