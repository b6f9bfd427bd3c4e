# SPDX-License-Identifier: Apache-2.0
"""Cases of packet_path: traces recorded on the lab under a fault each (lab/packets.yaml); healthy ones made worse by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from bench.packets import Recorded
from kubectl_netdoc.api import NODE, Address, Lost, Outcome, Peer, Tier, Trace
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.measurements.trace import MovedRule, Rule, Sighting, TapReading, TraceReply
from kubectl_netdoc.records.base import Kind, convert
from kubectl_netdoc.testing import Case, make_cluster, make_pod, make_service, make_slice
from tests.support.traces import HEALTHY, RECORDED

Built = tuple[Kind[Any], Any]
NOBODY = "10.244.9.9"

CODES = {
    **dict.fromkeys(("raw-drop-source", "raw-drop-target", "mangle-forward-source", "mangle-postrouting-target"), "TRC001"),
    **dict.fromkeys(
        ("forward-drop-range", "forward-answers", "answers-at-source", "reject-forward", "vxlan-input-drop"), "TRC001"
    ),
    **dict.fromkeys(
        ("vxlan-output-drop", "nft-inet-table", "nft-netdev-ingress", "nft-bridge-forward", "nft-named-set"), "TRC001"
    ),
    **dict.fromkeys(
        ("limit-rest", "every-second", "service-drop-before-translation", "node-input-drop", "legacy-drop", "ipset-match"),
        "TRC001",
    ),
    **dict.fromkeys(("tc-redirect", "tc-redirect-tunnel", "xfrm-blocks", "xfrm-without-state"), "TRC001"),
    "queue-drops": "TRC016",
    **dict.fromkeys(("queue-delays", "queue-delays-answers"), "TRC020"),
    "checksum-wrong": "TRC022",
    **dict.fromkeys(("nft-without-counter", "nft-policy-drop"), "TRC002"),
    "reverse-path": "TRC003",
    **dict.fromkeys(("policy-route-blackhole", "rule-prohibit", "route-missing", "forwarding-off"), "TRC004"),
    **dict.fromkeys(("neighbour-wrong", "pod-neighbour-wrong"), "TRC005"),
    **dict.fromkeys(("forwarding-entry-wrong", "forwarding-entry-other-node", "tunnel-down"), "TRC006"),
    "source-pod-filter": "TRC007",
    "pod-filter": "TRC008",
    **dict.fromkeys(("dnat-astray", "redirect-to-node"), "TRC009"),
    **dict.fromkeys(("host-route-astray", "hop-limit"), "TRC012"),
    **dict.fromkeys(("service-not-translated", "answers-not-translated"), "TRC018"),
    "address-on-lo": "TRC015",
    **dict.fromkeys(("pod-link-down", "bridge-port-disabled", "bridge-ports-isolated"), "TRC017"),
}
"""The code of each recorded fault."""


def _cluster(recorded: Recorded) -> Cluster:
    """The lab's nodes and pods as far as the trace tells of them, and the Service that it went to."""
    nodes = dict.fromkeys(recorded.request.listening)
    addresses = {node: [ip for ip, at in recorded.ends.nodes.items() if at == node and ip.startswith("172.")] for node in nodes}
    made: list[Built] = [
        (
            NODE,
            convert(
                NODE,
                {"metadata": {"name": node}, "status": {"addresses": [{"type": "InternalIP", "address": ip} for ip in ips]}},
            ),
        )
        for node, ips in addresses.items()
    ]
    made += [
        make_pod(f"p{ip.replace('.', '-')}", ip=ip, node=node) for ip, node in recorded.ends.nodes.items() if ip.startswith("10.")
    ]
    if recorded.ends.behind:
        made.append(make_service(cluster_ip=recorded.reply.to.ip))
        made.append(make_slice(addresses=dict.fromkeys(sorted(recorded.ends.behind), "")))
    return make_cluster(*made, vantages=tuple(nodes), tier=Tier.PRIVILEGED)


def _measured(traces: Mapping[Trace, object], nodes: tuple[str, ...]) -> Measured:
    pods = tuple(Vantage(node, True) for node in nodes)
    return Measured(dict(traces), pods, pods, wanted=True)  # type: ignore[arg-type]


def _case(name: str, recorded: Recorded, *expect: tuple[str, str], reply: object = None, state: str = "") -> Case:
    traces = {recorded.request: reply or recorded.reply}
    nodes = recorded.request.listening
    return Case(name, _cluster(recorded), frozenset(expect), _measured(traces, nodes), state=state)


def _seen_until(recorded: Recorded, node: str, dev: str, risen: dict[str, int] | None = None) -> TraceReply:
    """A healthy trace whose packets end at a place: what each was seen at after it, and the answers, are taken away."""
    kept: list[Sighting] = []
    there = [one for one in recorded.reply.sightings if not one.answer and one.what != "ICMP"]
    ended: set[int] = set()
    for one in sorted(there, key=lambda one: one.node != recorded.request.node):
        if one.packet not in ended:
            kept.append(one)
        if (one.node, one.dev) == (node, dev):
            ended.add(one.packet)
    sent = tuple(replace(packet, outcome=Outcome.TIMEOUT) for packet in recorded.reply.sent)
    quiet = (replace(one, moved=(), foreign=(), risen=risen or {}, control={}) for one in recorded.reply.readings)
    return replace(recorded.reply, sightings=tuple(kept), sent=sent, readings=tuple(quiet))


def _far(recorded: Recorded) -> TraceReply:
    """The same, with 150 ms more between the nodes, there or back: the clocks don't tell which."""
    seen = (
        replace(one, us=one.us + 150_000 * one.answer * (one.node == recorded.request.node)) for one in recorded.reply.sightings
    )
    return replace(recorded.reply, sightings=tuple(seen))


def _corrupt(recorded: Recorded, node: str) -> TraceReply:
    """The same, with checksums that are wrong from a node on, so that nobody answers."""
    seen = (replace(one, bad_checksum=one.node == node) for one in recorded.reply.sightings if not one.answer)
    sent = tuple(replace(packet, outcome=Outcome.TIMEOUT) for packet in recorded.reply.sent)
    return replace(_without_rules(recorded), sightings=tuple(seen), sent=sent)


def _with_foreign(
    *rules: Rule, dev: str = "flannel.1", moved: int = 0, known: bool = False, risen: dict[str, int] | None = None
) -> TraceReply:
    """Packets that end behind an interface of the target's node, on which there are rules of nobody (or a known owner's)."""
    reply = _seen_until(BETWEEN, T, dev, risen)
    foreign, counted = () if known else rules, tuple(MovedRule(rule, moved, 0) for rule in rules if moved)
    readings = (replace(one, foreign=foreign, moved=counted) if one.node == T else one for one in reply.readings)
    return replace(reply, readings=tuple(readings))


def _filter(dev: str, verdict: str = "steal", hook: str = "egress", to: str = "sink", number: int = 1) -> Rule:
    packets, text = (-1, "bpf mine direct-action") if verdict == "bpf" else (6, f"u32 redirect to {to}")
    return Rule("tc", "all", dev, hook, f"pref {number} handle 0x1 bpf", text, verdict, packets, to=to)


def _policy(source: str, verdict: str = "block", way: str = "out") -> Rule:
    return Rule("xfrm", "ip", "", way, f"index 9 dir {way}", "a policy", verdict, source=source, to="10.0.0.0/8")


def _without_rules(recorded: Recorded) -> TraceReply:
    """The same, where no rule's counter moved: a rule is lacking."""
    readings = tuple(replace(one, moved=(), foreign=()) for one in recorded.reply.readings)
    return replace(recorded.reply, readings=readings)


def _twice(recorded: Recorded) -> TraceReply:
    one = next(one for one in recorded.reply.sightings if not one.answer)
    return replace(recorded.reply, sightings=(*recorded.reply.sightings, one))


def _late(recorded: Recorded) -> TraceReply:
    """The same, with 80 ms between coming in at the source's node and leaving it."""
    early = [one.node != recorded.request.node or (not one.out and not one.answer) for one in recorded.reply.sightings]
    seen = [one if same else replace(one, us=one.us + 80_000) for same, one in zip(early, recorded.reply.sightings, strict=True)]
    return replace(recorded.reply, sightings=tuple(seen))


def _to_nobody(recorded: Recorded, *foreign: Rule) -> TraceReply:
    """The same to a Service, where the source's node translates to an address that is none of its endpoints."""
    node, answered = recorded.request.node, recorded.ends.behind
    here = [one for one in recorded.reply.sightings if one.node == node and not one.answer]
    seen = [replace(one, to=Address(NOBODY, one.to.port)) if one.to.ip in answered else one for one in here]
    sent = tuple(replace(packet, outcome=Outcome.TIMEOUT) for packet in recorded.reply.sent)
    rules = [replace(one, moved=(), foreign=foreign if one.node == node else ()) for one in recorded.reply.readings]
    return replace(recorded.reply, sightings=tuple(seen), sent=sent, readings=tuple(rules))


def _mute(handle: str = "2", to: str = NOBODY) -> Rule:
    return Rule("nft", "ip", "before", "first", handle, f"ip daddr 10.96.203.202 tcp dport 80 dnat to {to}", "dnat", to=to)


def _deaf(recorded: Recorded) -> TraceReply:
    at = recorded.at
    readings = tuple(
        TapReading(at, problem="exec failed") if reading.node == at else reading for reading in recorded.reply.readings
    )
    seen = tuple(one for one in recorded.reply.sightings if one.node != at)
    return replace(recorded.reply, readings=readings, sightings=seen)


BETWEEN, SERVED = HEALTHY["between nodes"], HEALTHY["a Service"]
S, T = BETWEEN.request.node, BETWEEN.at
T = BETWEEN.request.to.node if isinstance(BETWEEN.request.to, Peer) else T
PAIR = f"NodePair {min(S, T)}--{max(S, T)}"
DROP = RECORDED["raw-drop-target"]
PORT_OF_BRIDGE = next(
    link.name for one in BETWEEN.reply.readings if one.node == T and one.tables for link in one.tables.links if link.master
)
HERE = {
    "a tc filter on the next interface took them": ("TRC001", _with_foreign(_filter("cni0"), moved=6)),
    "one where they came in": ("TRC001", _with_foreign(_filter("flannel.1", hook="ingress"), moved=6)),
    "one on a port of the bridge": ("TRC001", _with_foreign(_filter(PORT_OF_BRIDGE), dev="cni0", moved=6)),
    "the only eBPF program of the pod's link dropped as many": (
        "TRC001",
        _with_foreign(_filter(PORT_OF_BRIDGE, "bpf"), dev="cni0", risen={f"qdisc.{PORT_OF_BRIDGE}.clsact.dropped": 6}),
    ),
    "one for what comes in, where they left": ("TRC017", _with_foreign(_filter("cni0", hook="ingress"), dev="cni0", moved=6)),
    "one of two where the filters dropped as many": (
        "TRC016",
        _with_foreign(_filter("cni0", "bpf"), _filter("cni0", "bpf", number=2), risen={"qdisc.cni0.clsact.dropped": 6}),
    ),
    "one on another interface counted as many": ("TRC011", _with_foreign(_filter("docker0"), moved=6)),
    "one that they had passed before": ("TRC011", _with_foreign(_filter("flannel.1"), moved=6)),
    "one that counted none of them": ("TRC011", _with_foreign(_filter("cni0"))),
    "that of a bandwidth limit": ("TRC011", _with_foreign(_filter("cni0", to="bwp1"), moved=6, known=True)),
    "an eBPF program is the only one there": ("TRC002", _with_foreign(_filter("cni0", "bpf"))),
    "an eBPF program elsewhere": ("TRC011", _with_foreign(_filter("docker0", "bpf"))),
    "one of two eBPF programs": (
        "TRC011",
        _with_foreign(_filter("cni0", "bpf"), _filter("cni0", "bpf", number=2)),
    ),
    "the only eBPF program where the filters dropped as many": (
        "TRC001",
        _with_foreign(_filter("cni0", "bpf"), risen={"qdisc.cni0.clsact.dropped": 6}),
    ),
    "Cilium's programs dropped as many": ("TRC016", _with_foreign(risen={"qdisc.cni0.clsact.dropped": 6})),
    "an XFRM policy blocked them": (
        "TRC001", _with_foreign(_policy("10.0.0.0/8"), risen={"XfrmOutPolBlock": 6}),
    ),
    "a policy for which there is no state": (
        "TRC001", _with_foreign(_policy("10.0.0.0/8", "transform"), risen={"XfrmOutNoStates": 6}),
    ),
    "no policy matches them": ("TRC016", _with_foreign(_policy("192.0.2.0/24"), risen={"XfrmOutPolBlock": 6})),
    "a policy that blocked none": ("TRC011", _with_foreign(_policy("10.0.0.0/8"))),
    "a policy of the other direction": (
        "TRC016", _with_foreign(_policy("10.0.0.0/8"), risen={"XfrmInPolBlock": 6}),
    ),
}  # fmt: skip
"""What is at work behind the packets' last hop on the target's node, and the code."""

FAULTS = [_case(f"fault {name}", RECORDED[name], (code, f"Node {RECORDED[name].at}")) for name, code in CODES.items()]

CASES = [
    *FAULTS,
    _case("far from each other", BETWEEN, ("TRC021", PAIR), reply=_far(BETWEEN)),
    _case("checksums go wrong on the way out", BETWEEN, ("TRC022", f"Node {S}"), reply=_corrupt(BETWEEN, T)),
    *(
        _case(f"{name}, no rule shows why", broken := RECORDED[name], (code, f"Node {broken.at}"), reply=_without_rules(broken))
        for name, code in (("service-not-translated", "TRC013"), ("answers-not-translated", "TRC014"))
    ),
    *(_case(f"healthy: {name}", recorded) for name, recorded in HEALTHY.items()),
    _case(
        "the underlay loses them",
        BETWEEN,
        ("TRC010", PAIR),
        reply=_seen_until(BETWEEN, S, "eth0"),
    ),
    _case("nothing shows what took them", BETWEEN, ("TRC011", f"Node {T}"), reply=_seen_until(BETWEEN, T, "flannel.1")),
    _case(
        "a queue dropped them",
        BETWEEN,
        ("TRC016", f"Node {T}"),
        reply=_seen_until(BETWEEN, T, "flannel.1", risen={"qdisc.cni0.tbf.dropped": 6}),
    ),
    *(_case(name, BETWEEN, (code, f"Node {T}"), reply=reply) for name, (code, reply) in HERE.items()),
    _case("a Service leads to nobody, by what is not seen", SERVED, ("TRC023", f"Node {S}"), reply=_to_nobody(SERVED)),
    _case("one rule without a counter translates there", SERVED, ("TRC009", f"Node {S}"), reply=_to_nobody(SERVED, _mute())),
    _case("it translates elsewhere", SERVED, ("TRC023", f"Node {S}"), reply=_to_nobody(SERVED, _mute(to="10.244.9.8"))),
    _case("two translate there", SERVED, ("TRC023", f"Node {S}"), reply=_to_nobody(SERVED, _mute(), _mute("3"))),
    _case("a packet was copied", BETWEEN, ("TRC019", f"Node {S}"), reply=_twice(BETWEEN)),
    _case("they wait on a node", BETWEEN, ("TRC020", f"Node {S}"), reply=_late(BETWEEN)),
    _case("a node that could not listen", DROP, reply=_deaf(DROP), state="unknown"),
    _case("the trace itself was lost", DROP, reply=Lost("exec failed"), state="unknown"),
    Case("two traces that end by one rule", _cluster(DROP), frozenset({("TRC001", f"Node {DROP.at}")}),
         _measured({DROP.request: DROP.reply, replace(DROP.request, count=7): DROP.reply}, DROP.request.listening)),
    Case("another tier", make_cluster(vantages=("n1",)), state="skipped"),
    Case("nothing failed", _cluster(BETWEEN), measured=_measured({}, (S, T))),
]  # fmt: skip

__all__ = ["CASES", "Address"]
