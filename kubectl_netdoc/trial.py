"""What a connection came to when it was tried, held against what the policies predict."""

from __future__ import annotations

from dataclasses import dataclass

from kubectl_netdoc.policy import own, ports
from kubectl_netdoc.policy.engine import End, Engine
from kubectl_netdoc.requests import Address, Connect, ConnectReply, Lost, Outcome, Reply
from kubectl_netdoc.why import Question, Story

MOST = 3
"""Endpoints that are tried."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One try: from where, to what, the outcome ("" where there is none), what was predicted, and what that comes to."""

    vantage: str
    address: str
    outcome: str
    predicted: str
    meaning: str
    agrees: bool | None = None


def requests(story: Story, node: str) -> list[tuple[Connect, End | None]]:
    """Return what to try: the ClusterIP (None) and endpoints, on each port that was asked for, if that is one."""
    service, question = story.question.destination.service, story.question
    found: list[tuple[Connect, End | None]] = []
    if service is not None and service.spec.cluster_ip not in ("", "None"):
        wanted = [p.port for p in service.spec.ports if p.protocol == "TCP" and question.port in (str(p.port), p.name)]
        found += ((Connect(node, Address(service.spec.cluster_ip, port)), None) for port in wanted)
    numbers = [low for protocol, low, high in story.asked.ranges() if low == high and protocol == "TCP"]
    for end in question.destination.ends[:MOST]:
        for address in end.addresses[:1]:
            found += ((Connect(node, Address(str(address), number)), end) for number in numbers[:MOST])
    return found


def from_node(engine: Engine, question: Question, node: str, request: Connect, end: End | None, reply: Reply) -> Tried:
    """Judge a try of a debug pod: it has its own labels, so it is held against what the policies say of itself."""
    vantage = f"netdoc's pod on node {node}"
    ends = (end,) if end else question.destination.ends[:MOST]
    asked = ports.of("TCP", request.to.port) if end else ports.every("TCP")
    verdicts = [engine.verdict(own.end(engine, node), one, asked) for one in ends]
    unsure = [text for verdict in verdicts for text in (*verdict.depends, *verdict.incomplete)]
    allowed = None if unsure else any(verdict.allowed for verdict in verdicts) if verdicts else True
    by = ", ".join(dict.fromkeys(str(ref) for verdict in verdicts for ref in verdict.by))
    return _judge(vantage, request, reply, allowed, by)


def from_inside(story: Story, pod: str, request: Connect, reply: Reply) -> Tried:
    """Judge a try from inside the source itself."""
    policies = [hop for hop in story.hops if hop.name in ("egress", "ingress")]
    unsure = any(hop.answer == "unknown" for hop in policies)
    stopped = [hop for hop in policies if hop.answer == "STOPS"]
    by = ", ".join(dict.fromkeys(text for hop in stopped for text in hop.policies))
    return _judge(f"inside {pod}", request, reply, None if unsure else not stopped, by)


def _judge(vantage: str, request: Connect, reply: Reply, allowed: bool | None, by: str) -> Tried:
    address = f"[{request.to.ip}]:{request.to.port}" if ":" in request.to.ip else f"{request.to.ip}:{request.to.port}"
    predicted = "not judged" if allowed is None else "allowed" if allowed else f"denied by {by}"
    if not isinstance(reply, ConnectReply):
        why = reply.reason if isinstance(reply, Lost) else "no usable answer"
        return Tried(vantage, address, "", predicted, f"not tried: {why}")
    agrees, meaning = _meaning(reply.outcome, allowed)
    return Tried(vantage, address, str(reply.outcome), predicted, meaning, agrees)


def _meaning(outcome: Outcome, allowed: bool | None) -> tuple[bool | None, str]:
    if outcome is Outcome.OK:
        if allowed is False:
            return (
                False,
                "it gets through although policies deny it: does anything enforce them? (check policy_enforcement)",
            )
        return allowed, "it gets through"
    if outcome is Outcome.REFUSED:
        if allowed is False:
            return True, "refused: by the policy engine, or as nothing listens there"
        return allowed, "refused at once: the way is open and nothing listens on that port"
    if allowed is False:
        return True, "no answer, as predicted"
    if allowed is None:
        return None, "no answer: a policy that is not evaluated, or a fault on the way (check pod_network service_reachability)"
    return False, "no answer although no policy denies it: a fault on the way (check pod_network service_reachability)"
