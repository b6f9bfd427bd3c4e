# SPDX-License-Identifier: Apache-2.0
"""What netdoc says of connections between the pods, nodes and addresses of ``observe``."""

from __future__ import annotations

from collections.abc import Iterable

from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.verdict import End
from kubectl_netdoc.records.cni import NETWORK_CONFIG
from kubectl_netdoc.records.kinds import NAMESPACE, NODE, POD, POLICIES, POLICY_AIDS
from kubectl_netdoc.sources.live import lists
from kubectl_netdoc.sources.live.client import Client, Options
from lab.faults.runner import Lab
from tests.networks.observe import CLOSED, OUTSIDE, WAYS, Way, gateway, node_address


def engine(lab: Lab) -> Engine:
    """The policies that the cluster has now, as netdoc reads them."""
    client = Client(Options(kubeconfig=str(lab.kubeconfig)))
    return Engine(lists.read(client, (POD, NAMESPACE, NODE, *POLICIES, *POLICY_AIDS, NETWORK_CONFIG), ()), templates=False)


def source(of: Engine, lab: Lab, name: str) -> End:
    """A pod, a node by its address, or the address outside."""
    namespace, slash, pod = name.partition("/")
    if slash:
        record = of.cluster.get(POD, namespace, pod)
        assert record is not None
        return of.pod(record)
    return of.address(gateway(lab) if name == OUTSIDE else node_address(lab, name))


def predicted(lab: Lab, address: str, ways: Iterable[Way] = WAYS) -> dict[Way, str]:
    """What netdoc says of each way: denied is a time-out even to a closed port, allowed and closed is refused.

    Ways of which it is not certain are left out.
    """
    of = engine(lab)
    found = {}
    for way in ways:
        verdict = of.verdict(
            source(of, lab, way.source), of.address(address), ports.of("TCP", way.port), 6 if ":" in address else 4
        )
        if not verdict.depends and not verdict.incomplete:
            found[way] = "timeout" if not verdict.allowed else "refused" if way.port == CLOSED else "ok"
    return found
