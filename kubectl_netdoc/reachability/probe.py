# SPDX-License-Identifier: Apache-2.0
"""Tries the connection and compares the outcome with what the policies predict."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from kubectl_netdoc.measurements.base import Address, Lost, Outcome
from kubectl_netdoc.measurements.connect import Connect, ConnectReply
from kubectl_netdoc.measurements.requests import Reply
from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.verdict import End, Verdict
from kubectl_netdoc.probes import own_policies
from kubectl_netdoc.reachability.connection_path import ConnectionPath
from kubectl_netdoc.reachability.explanation import MOST_ENDS, Explanation, family

MOST = 3
"""Most endpoints that are tried."""


class ProbeResult(Struct, frozen=True):
    """One try: source, target, outcome ("" if there is none), prediction, and conclusion.

    ``allowed`` is the prediction; None if there is none.
    """

    vantage: str
    address: str
    outcome: str
    predicted: str
    meaning: str
    agrees: bool | None = None
    allowed: bool | None = None


Attempts = list[tuple[Connect, End | None]]
"""What is tried, and the endpoint that it leads to (None: the Service's address)."""


def requests(path: ConnectionPath, node: str) -> Attempts:
    """Return the requests to try: the ClusterIP (None) and endpoints, on each port of the question."""
    service, question = path.destination.service, path.question
    found: Attempts = []
    if service is not None and service.spec.cluster_ip not in ("", "None"):
        wanted = [p.port for p in service.spec.ports if p.protocol == "TCP" and question.port in (str(p.port), p.name)]
        found += ((Connect(node, Address(service.spec.cluster_ip, port)), None) for port in wanted)
    numbers = [low for protocol, low, high in path.asked.ranges() if low == high and protocol == "TCP"]
    for end in question.destination.ends[:MOST]:
        for address in end.addresses[:1]:
            found += ((Connect(node, Address(str(address), number)), end) for number in numbers[:MOST])
    return found


def from_node(
    engine: Engine, explanation: Explanation, node: str, request: Connect, end: End | None, reply: Reply
) -> ProbeResult:
    """Judge a try of a debug pod. It has its own labels, so the prediction is that for the debug pod."""
    found = _judge(
        f"netdoc's pod on node {node}",
        request,
        reply,
        _predicted(engine, own_policies.end(engine, node), explanation, request, end),
    )
    meant = next((one for one in explanation.question.source.ends if one.node == node), None)
    if meant is None or _predicted(engine, meant, explanation, request, end).allowed == found.allowed:
        return found
    return replace(
        found, meaning=f"{found.meaning}; policies may treat {meant} differently, so use --target to try it from inside"
    )


def from_inside(
    engine: Engine, explanation: Explanation, source: End, request: Connect, end: End | None, reply: Reply
) -> ProbeResult:
    """Judge a try from inside the source itself."""
    return _judge(f"inside {source}", request, reply, _predicted(engine, source, explanation, request, end))


class _Prediction(Struct, frozen=True):
    """``allowed`` is None if it can't be told: a policy that is not evaluated, or endpoints that differ."""

    allowed: bool | None
    by: str = ""


def _predicted(engine: Engine, source: End, explanation: Explanation, request: Connect, end: End | None) -> _Prediction:
    """Return the prediction for one source and one endpoint, or all endpoints of a ClusterIP, on the pods' ports."""
    ends = (end,) if end else explanation.question.destination.ends[:MOST_ENDS]
    asked = ports.of("TCP", request.to.port) if end else explanation.asked
    verdicts = [engine.verdict(source, one, asked, family(one)) for one in ends]
    by = ", ".join(dict.fromkeys(str(ref) for verdict in verdicts for ref in verdict.by))
    said = {_said(verdict, asked) for verdict in verdicts}
    return _Prediction(said.pop() if len(said) == 1 else None if said else True, by)


def _said(verdict: Verdict, asked: Ports) -> bool | None:
    if verdict.depends or verdict.incomplete or verdict.ports not in (asked, ports.NONE):
        return None
    return verdict.allowed


def _judge(vantage: str, request: Connect, reply: Reply, prediction: _Prediction) -> ProbeResult:
    address = f"[{request.to.ip}]:{request.to.port}" if ":" in request.to.ip else f"{request.to.ip}:{request.to.port}"
    allowed = prediction.allowed
    predicted = "not judged" if allowed is None else "allowed" if allowed else f"denied by {prediction.by}"
    if not isinstance(reply, ConnectReply):
        why = reply.reason if isinstance(reply, Lost) else "no usable answer"
        return ProbeResult(vantage, address, "", predicted, f"not tried: {why}", allowed=allowed)
    agrees, meaning = _meaning(reply.outcome, allowed)
    return ProbeResult(vantage, address, str(reply.outcome), predicted, meaning, agrees, allowed)


def _meaning(outcome: Outcome, allowed: bool | None) -> tuple[bool | None, str]:
    if outcome is Outcome.OK:
        if allowed is False:
            return (
                False,
                (
                    "it gets through although policies deny it; check whether anything enforces them (kubectl netdoc check "
                    "policy_enforcement)"
                ),
            )
        return allowed, "it gets through"
    if outcome is Outcome.REFUSED:
        if allowed is False:
            return True, "it is refused, either by the policy engine or because nothing listens there"
        return allowed, "it is refused at once: the path is open, but nothing listens on that port"
    if allowed is False:
        return True, "there is no answer, as predicted"
    if allowed is None:
        return None, (
            "there is no answer: because of a policy that is not evaluated, or a fault on the path (kubectl netdoc check "
            "pod_network service_reachability)"
        )
    return False, (
        "there is no answer although no policy denies it: there is a fault on the path (kubectl netdoc check pod_network "
        "service_reachability)"
    )
