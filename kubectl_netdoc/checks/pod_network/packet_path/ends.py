# SPDX-License-Identifier: Apache-2.0
"""Packets that never left, that arrived and got no answer, and what no counter explains."""

from __future__ import annotations

from kubectl_netdoc.api import Code, Finding, Risk, Severity, on_node
from kubectl_netdoc.checks.pod_network.packet_path.traced import OF_SERVICES, SYMPTOMS, Traced
from kubectl_netdoc.tracing.hops import named as named_end
from kubectl_netdoc.tracing.verdict import Ending

NEVER_LEFT = Code(
    id="TRC007",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Packets never leave the source",
    message="Of {sent} packets from {source} to {target}, {lost} were seen at no interface of node {name}: they end inside the "
    "source itself",
    fix="Look inside the pod's own network: its routes, its rules (a mesh's sidecar writes some), and whether its link is up.",
    commands=(on_node("{name}", "ip netns list"), on_node("{name}", "ip -brief link show type veth")),
    rows=("M3",),
    explains=SYMPTOMS,
    tells="place",
)
UNANSWERED = Code(
    id="TRC008",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Packets arrive, and nothing answers",
    message="The packets from {source} to {target} arrive ({lost} of {sent}, last seen at {after}), and nothing answers them: "
    "the path is open, and what they are meant for does not accept them",
    fix="Look at the target itself: whether it listens on that address and port, its own firewall rules, and whether it hangs.",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={name}",),
    rows=("M3",),
    explains=SYMPTOMS,
    tells="place",
)
SOMEWHERE = Code(
    id="TRC011",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Packets end on a node, and no counter shows why",
    message="The {what} from {source} to {target} end on node {name} after {after} ({lost} of {sent}), and no rule, counter, "
    "route or neighbour there shows what took them{told}",
    fix="Look on {name} at what leaves no trace: eBPF programs, rules without a counter, tc filters, the driver.",
    commands=(
        on_node("{name}", "nft list ruleset"),
        on_node("{name}", "tc filter show dev {dev} ingress"),
        on_node("{name}", "ip -d link show {dev}"),
    ),
    rows=("M3",),
    explains=SYMPTOMS,
    tells="place",
)
UNTRANSLATED = Code(
    id="TRC013",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A Service's address is not translated on a node",
    message="On node {name}, packets from {source} to the Service at {target} go on with that address ({lost} of {sent}, last "
    "seen at {after}): nothing translated them to an endpoint",
    fix="Look whether kube-proxy's rules for this Service are on {name} and are reached: kube-proxy's pod there, then the rules "
    "before its own.",
    commands=(
        "kubectl -n kube-system get pods -l k8s-app=kube-proxy -o wide --field-selector spec.nodeName={name}",
        on_node("{name}", "iptables -t nat -S PREROUTING"),
    ),
    rows=("K7", "K9"),
    explains=OF_SERVICES,
    tells="place",
)
FOREIGN_ANSWER = Code(
    id="TRC014",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Answers come from another address than was asked",
    message="On node {name}, answers reach {source} from {answerer} instead of {asked}, and are thrown away ({lost} of {sent}): "
    "the translation is not undone on the way back",
    fix="Answers have to pass the node that translated, and its connection tracking: look for rules that switch it off "
    "(notrack), and for a second way back.",
    commands=(on_node("{name}", "iptables -t raw -S"), on_node("{name}", "nft list ruleset")),
    rows=("K9",),
    explains=SYMPTOMS,
    tells="place",
)
DUPLICATED = Code(
    id="TRC019",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Packets are sent twice",
    message="{twice} of {sent} packets from {source} to {target} were seen twice at one place: something copies them",
    fix="Look for rules that copy packets (TEE, dup, mirred) and for bridges that flood.",
    commands=(on_node("{name}", "nft list ruleset"),),
    rows=("M3",),
)

DELAYED = Code(
    id="TRC020",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Packets wait on a node",
    message="On node {name}, the {ways} between {source} and {target} wait {ms} ms between {before} and {after} (the median of "
    "{sent})",
    fix="Look on {name} at what lies between the two: a queue with a limit of bandwidth, a rule that hands packets to a program,"
    " a CPU that has no time.",
    commands=(on_node("{name}", "tc -s qdisc show"), on_node("{name}", "nft list ruleset")),
    rows=("M3",),
)
CORRUPT = Code(
    id="TRC022",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Packets get a wrong checksum",
    message="The checksum of the {what} from {source} to {target} is made wrong on node {name}, so that their receiver throws "
    "them away ({lost} of {sent}): {words}",
    fix="If no rule rewrites their payload, {dev} computes checksums wrongly: have the kernel compute them, as the third command "
    "does until the interface is made again; it costs some CPU time. A newer kernel or driver mends it for good.",
    commands=(
        on_node("{name}", "nft list ruleset"),
        on_node("{name}", "ethtool -k {dev}"),
        on_node("{name}", "ethtool -K {dev} tx-checksum-ip-generic off"),
    ),
    rows=("M2",),
    explains=SYMPTOMS,
    tells="place",
)

BY_ENDING = {
    Ending.NEVER_LEFT: NEVER_LEFT,
    Ending.UNANSWERED: UNANSWERED,
    Ending.TAKEN: SOMEWHERE,
    Ending.ANSWER_TAKEN: SOMEWHERE,
    Ending.UNTRANSLATED: UNTRANSLATED,
    Ending.ANSWER_FOREIGN: FOREIGN_ANSWER,
    Ending.CORRUPT: CORRUPT,
    Ending.ANSWER_CORRUPT: CORRUPT,
}


def finding(traced: Traced) -> Finding | None:
    """Return the finding about how a trace ended, where nothing more special says it."""
    verdict = traced.verdict
    if verdict.delay is not None:
        delay = verdict.delay
        ways = "answers" if delay.answer else "packets"
        numbers = {"ways": ways, "ms": delay.ms, "before": delay.before, "after": delay.after}
        return DELAYED.on(traced.on_node, traced.evidence() | numbers)
    code = BY_ENDING.get(verdict.ending)
    if code is None:
        return _twice(traced) if verdict.duplicated else None
    last = verdict.last
    names = {
        "dev": verdict.taken.dev if verdict.taken and verdict.taken.dev else last.dev if last else "",
        "words": verdict.taken.words if verdict.taken else "",
        "answerer": named_end(last.source) if last else "",
        "asked": str(traced.reply.to),
    }
    return code.on(traced.on_node, traced.evidence() | names)


def _twice(traced: Traced) -> Finding:
    return DUPLICATED.on(traced.on_node, traced.evidence() | {"twice": len(traced.verdict.duplicated)})


CODES = (NEVER_LEFT, UNANSWERED, SOMEWHERE, UNTRANSLATED, FOREIGN_ANSWER, DUPLICATED, DELAYED, CORRUPT)
