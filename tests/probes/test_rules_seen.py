# SPDX-License-Identifier: Apache-2.0
"""kube-proxy is blamed only as far as its rules were read, and no fix restarts it where they are there."""

from __future__ import annotations

import msgspec
import pytest

from kubectl_netdoc.api import (
    Certificate,
    CertificateReply,
    Connect,
    ConnectReply,
    Echo,
    EchoReply,
    EchoSample,
    Finding,
    HttpGet,
    HttpReply,
    Outcome,
    OwnService,
    Reply,
    Request,
    Risk,
    ServiceRules,
    ServiceRulesReply,
    Tier,
)
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.engine import registry
from kubectl_netdoc.measurements.node import ServiceTable
from kubectl_netdoc.probes.rules_seen import LOOK, Standing
from kubectl_netdoc.remediation.commands import changes
from kubectl_netdoc.testing import make_cluster, make_node, make_pod, make_service, make_slice, measured, outcome

CHECK = registry.load().choose(["service_reachability"])[0]
NODES = ("n1", "n2")
WEB, OWN = "tcp 10.0.1.1:8080", "tcp 10.0.0.1:19376"
FULL = (WEB, OWN)


def _cluster(tier: Tier = Tier.PRIVILEGED, **spec: object) -> Cluster:
    kind, item = make_slice("web", addresses={"10.0.1.1": "web-1"})
    port = item.ports[0].__class__(name="p80", port=8080, protocol="TCP")  # type: ignore[attr-defined]
    ends = kind, item.__class__(**{f: getattr(item, f) for f in item.__struct_fields__} | {"ports": (port,)})
    web = make_service("web", selector={"app": "web"}, clusterIPs=["10.96.0.1"], **spec)  # type: ignore[arg-type]
    pod = make_pod("web-1", labels={"app": "web"}, ip="10.0.1.1")
    return make_cluster(web, ends, pod, *map(make_node, NODES), vantages=NODES, tier=tier)


def _tables(ends: tuple[str, ...]) -> dict[str, ServiceTable]:
    """The rules of iptables mode that lead to these endpoints: of netdoc's own Service, and of web."""
    to: dict[str, tuple[str, ...]] = {
        "tcp 10.96.0.9:80" if text == OWN else "tcp 10.96.0.1:80": (text.partition(" ")[2],) for text in ends
    }
    return {"iptables": ServiceTable(to, hooks=("output", "prerouting"))} if to else {}


def _findings(cluster: Cluster, code: str, rules: tuple[str, ...] | None = FULL, mode: str = "iptables") -> list[Finding]:
    """What is found on n2, where the Service (SVR006), new ones (SVR002) or all of them (SVR001) fail."""

    def answer(request: Request) -> Reply:
        dead = request.node == "n2"
        if isinstance(request, ServiceRules):
            return ServiceRulesReply(Outcome.OK if rules is not None else Outcome.PERMISSION, 1.0, _tables(rules or ()))
        if isinstance(request, HttpGet):
            return HttpReply(Outcome.OK, 1.0, 200, (mode,))
        if isinstance(request, Connect):
            through = request.to.ip == "10.96.0.1"
            return ConnectReply(Outcome.TIMEOUT if dead and through and code != "SVR002" else Outcome.OK, 1.0)
        if isinstance(request, Certificate):
            return CertificateReply(Outcome.OK, 1.0, verified=True)
        assert isinstance(request, Echo)
        if isinstance(request.to, OwnService) and not request.to.empty:
            silent = dead and code != "SVR006"
            return EchoReply("x", (EchoSample(Outcome.TIMEOUT, 1.0),) * 9 if silent else _seen(*NODES))
        if isinstance(request.to, OwnService) or request.to.closed:
            return EchoReply("x", (EchoSample(Outcome.REFUSED, 1.0),))
        return EchoReply("x", _seen(request.to.node))

    facts = measured(CHECK, cluster, answer)
    at = {"n1": "10.0.0.1", "n2": "10.0.0.2"}
    vantages = tuple(msgspec.structs.replace(vantage, ip=at[vantage.node]) for vantage in facts.vantages)
    facts = msgspec.structs.replace(facts, vantages=vantages)
    return [finding for finding in outcome(CHECK, cluster, facts).findings if finding.code == code]


def _seen(*who: str) -> tuple[EchoSample, ...]:
    return tuple(EchoSample(Outcome.OK, 1.0, node) for node in who)


@pytest.mark.parametrize("code", ["SVR001", "SVR006"])
@pytest.mark.parametrize(
    ("rules", "mode", "tier", "standing"),
    [
        (FULL, "iptables", Tier.PRIVILEGED, Standing.THERE),
        ((OWN, "tcp 10.0.9.9:80"), "iptables", Tier.PRIVILEGED, Standing.LACKING),
        ((), "iptables", Tier.PRIVILEGED, Standing.UNREAD),
        (None, "iptables", Tier.PRIVILEGED, Standing.UNREAD),
        (FULL, "ipvs", Tier.PRIVILEGED, Standing.UNREAD),
        (FULL, "iptables", Tier.PODS, Standing.UNREAD),
    ],
)
def test_what_rules_allow_to_say(code: str, rules: tuple[str, ...] | None, mode: str, tier: Tier, standing: Standing) -> None:
    (finding,) = _findings(_cluster(tier), code, rules, mode)
    assert finding.evidence["rules"] == standing
    restarts = [command for command in finding.commands if changes(command)]
    if standing is Standing.THERE:
        assert not restarts
        assert finding.risk is Risk.SAFE
    else:
        assert restarts
        assert restarts[0] != finding.commands[0]
        assert finding.risk is Risk.RESTARTS
    assert (LOOK in finding.commands) == (standing is not Standing.THERE)


@pytest.mark.parametrize(("rules", "standing"), [(FULL, Standing.THERE), ((WEB,), Standing.LACKING), (None, Standing.UNREAD)])
def test_rules_of_the_new_service(rules: tuple[str, ...] | None, standing: Standing) -> None:
    (finding,) = _findings(_cluster(), "SVR002", rules)
    assert finding.evidence["rules"] == standing
    assert any(map(changes, finding.commands)) == (standing is not Standing.THERE)
