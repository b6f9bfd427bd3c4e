# SPDX-License-Identifier: Apache-2.0
"""Do each node's rules send the traffic of Services where EndpointSlices say?

## What it looks at
With `--privileged`: the endpoints in the rules that kube-proxy keeps in each node's packet filter, in iptables mode (by way of
nf_tables, or in the old tables) and in nftables mode, held against the EndpointSlices of all Services that have an address.

## Why it matters
A rule for a pod that is gone loses its share of the connections; an endpoint without a rule gets none, or none of a Service's
work. From outside both look like an application that fails now and then, from some nodes.

## What it can't see
ipvs mode's table, and what eBPF data planes do instead. Rules are a few seconds behind by design, and lists are read before
them: endpoints that changed in the minute before are left out, as is what differs on most nodes alike. Where a Service keeps its
traffic on a node or in a zone, only what must be there is held against the rules. Which Service a rule
is of is not read, so an endpoint of two Services counts as there when one of them has it.

## Sources
Kubernetes: Virtual IPs and Service Proxies; kube-proxy writes all rules again at least once an hour (iptables mode, since 1.28);
kubernetes#71305, #109811, #112477 (two sets of iptables); failure catalogue K8 and K9.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from kubectl_netdoc.api import (
    ECHO_PORTS,
    ENDPOINT_SLICE,
    NODE,
    POD,
    SERVICE,
    Address,
    Check,
    Cluster,
    Code,
    EndpointSlice,
    Explains,
    Facts,
    Finding,
    HttpReply,
    Lost,
    Needs,
    Outcome,
    Pod,
    Request,
    Risk,
    Service,
    ServiceRules,
    ServiceRulesReply,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    ip_families,
    on_node,
    some,
)
from kubectl_netdoc.components import kube_proxy

SETTLED = timedelta(seconds=60)
"""Endpoints that changed since are not held against rules, as in node_ports."""

SHOWN = 4
"""Endpoints that a message names."""

NOT_OURS = ("service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless")
"""Labels with which kube-proxy leaves a Service and its slices to others."""

TABLES = ("iptables", "legacy", "nftables")

HOURLY = "By itself it writes missing rules again only once an hour: restart its pod to have them now"
NEVER = "In nftables mode it never fills a chain that is there, not even after a restart: delete its table, then restart its pod"
"""What kube-proxy does about rules that somebody took out: proxyutil.FullSyncPeriod; epChainSkipUpdate of the nftables mode."""

LOG, RESTART = "kubectl -n {space} logs {pod} --tail=50", "kubectl -n {space} delete pod {pod}"
TABLES_GONE = {family: f"kubectl -n {{space}} exec {{pod}} -- nft delete table {family} kube-proxy" for family in ("ip", "ip6")}

NO_RULES = Code(
    id="SRL001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="A node holds no rules of Services",
    message="On {name} no rule leads to any of the {count} endpoints that every node should have, though kube-proxy's pod "
    "runs there",
    fix="Somebody flushed them, or kube-proxy does not write any. {again}. Then find what flushes (firewalld, a script).",
    commands=(LOG, RESTART),
    rows=("K8",),
    explains=(Explains(("SVR006", "DNL001", "DNL005", "DNL007", "NPT001", "STF002"), "node"),),
)
MISSING = Code(
    id="SRL002",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Services without a rule on a node",
    message="On {name} no rule leads to any endpoint of {services}: {endpoints}, endpoints for longer than {settled} s; the "
    "rules of {others} have them",
    fix="kube-proxy on {name} did not write them, or somebody took them out. {again}.",
    commands=(LOG, RESTART),
    rows=("K8",),
    explains=(Explains(("SVR006", "NPT001", "STF002"), "node"),),
)
SOME_MISSING = Code(
    id="SRL006",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Endpoints without a rule on a node",
    message="On {name} no rule leads to {endpoints} of {services}, endpoints for longer than {settled} s; the rules of {others} "
    "have them. Their share goes to the Service's other endpoints, or nowhere",
    fix="kube-proxy on {name} did not write them, or somebody took them out. {again}.",
    commands=(LOG, RESTART),
    rows=("K8",),
    explains=(Explains(("SVR006", "NPT001", "STF002"), "node"),),
)
STALE = Code(
    id="SRL003",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Rules for endpoints that are gone",
    message="On {name} rules still lead to {endpoints}, which {are} in no EndpointSlice; the rules of {others} do not have them",
    fix="Their share of the connections is lost: restart kube-proxy on {name}.",
    commands=(LOG, RESTART),
    rows=("K8",),
    explains=(Explains(("SVR006", "NPT001"), "node"),),
)
TWO_SETS = Code(
    id="SRL004",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Both sets of iptables hold rules of Services",
    message="On {nodes} kube-proxy's rules stand in the old tables ({legacy} endpoints) as well as in nf_tables ({nft}); "
    "{stale} not kept up any more, and the kernel goes through both",
    fix="Take the set away that kube-proxy does not write (iptables-legacy, or iptables-nft), or restart the node; have all that "
    "runs iptables there use one.",
    rows=("K9",),
)
OTHER_MODE = Code(
    id="SRL005",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Rules of another mode left behind",
    message="On {nodes} kube-proxy's rules stand in {table} ({count} endpoints), and those of another mode in {other} ({left}): "
    "nobody keeps them up any more",
    fix="Take them away on {first} with kube-proxy --cleanup, which takes away all rules of Services there, and restart its pod "
    "at once, which writes those of its mode again; or restart the node.",
    commands=("kubectl -n {space} exec {pod} -- kube-proxy --cleanup", RESTART),
    rows=("K7",),
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask for each node's rules, and which mode its kube-proxy is in."""
    if cluster.tier.covers(Tier.PRIVILEGED):
        for node in cluster.hosts:
            yield ServiceRules(node)
            yield kube_proxy.mode_of(cluster, node)


class _Want:
    """What the rules are to hold, as EndpointSlices say: the endpoints that some node may hold, and why each must be held."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.allowed = {text for item in cluster.all(ENDPOINT_SLICE) for text, *_ in _texts(item)}
        self.must: dict[str, set[str]] = {}
        self.local: dict[str, dict[str, set[str]]] = {}
        for service in cluster.all(SERVICE):
            if _proxied(service) and cluster.age(service.metadata.creation_timestamp) > SETTLED:
                self._service(service, cluster.slices_of(service))

    def _service(self, service: Service, slices: list[EndpointSlice]) -> None:
        ends = [end for item in slices for end in item.endpoints]
        if any(end.hints.for_zones or end.hints.for_nodes for end in ends):  # which of them, depends on the node's zone
            return
        if any(_recent(self.cluster, item) for item in slices):
            return
        ports = {(port.name, port.protocol) for port in service.spec.ports}
        mine = {ip_families.of(ip) for ip in service.spec.cluster_ips or (service.spec.cluster_ip,)}
        near = service.spec.internal_traffic_policy == "Local"
        name = f"{service.namespace}/{service.name}"
        for item in slices:
            if item.address_type not in mine or any(label in item.metadata.labels for label in NOT_OURS):
                continue
            for text, port, ready, node in _texts(item):
                if ready and port in ports:
                    where = self.local.setdefault(node, {}) if near else self.must
                    where.setdefault(text, set()).add(name)

    def of(self, node: str) -> dict[str, set[str]]:
        """What a node must hold, and of which Services."""
        return self.must | self.local.get(node, {})


def _texts(item: EndpointSlice) -> Iterator[tuple[str, tuple[str, str], bool, str]]:
    """Each endpoint as rules name it, its port, whether it is ready, and its node."""
    for end in item.endpoints:
        for port in item.ports:
            for address in end.addresses[:1]:
                text = f"{port.protocol.lower()} {Address(address, port.port)}"
                yield text, (port.name, port.protocol), end.conditions.ready, end.node_name


def _proxied(service: Service) -> bool:
    spec = service.spec
    return (
        bool(spec.cluster_ip)
        and not service.headless
        and spec.type != "ExternalName"
        and service.metadata.deletion_timestamp is None
        and not any(label in service.metadata.labels for label in NOT_OURS)
    )


def _recent(cluster: Cluster, item: EndpointSlice) -> bool:
    return min(cluster.age(item.metadata.creation_timestamp), cluster.age(item.changed)) < SETTLED


class _Held:
    """What a node holds: the table that kube-proxy keeps up there, what it lacks and what it has too much."""

    def __init__(self, facts: Facts, want: _Want, node: str, reply: ServiceRulesReply) -> None:
        self.node, self.reply = node, reply
        self.sets = {table: {text for text in getattr(reply, table) if not _ours(text)} for table in TABLES}
        mode = facts.reply(kube_proxy.mode_of(facts.cluster, node))
        self.mode = mode.lines[0] if isinstance(mode, HttpReply) and mode.lines else ""
        candidates = {"nftables": ("nftables",), "iptables": ("iptables", "legacy")}.get(self.mode, TABLES)
        self.table = max(candidates, key=lambda table: len(self.sets[table] & want.allowed))
        self.tied = len(self.sets["iptables"] & want.allowed) == len(self.sets["legacy"] & want.allowed)
        held = self.sets[self.table]
        self.must = want.of(node)
        self.missing = set(self.must) - held
        self.extra = held - want.allowed if not want.cluster.scope.namespaces else set()

    @property
    def clean(self) -> bool:
        """Whether it holds what it should."""
        return not (self.missing or self.extra)


def _ours(text: str) -> bool:
    """Whether an endpoint is an echo server of netdoc's, of this run or of another one."""
    return int(text.rpartition(":")[2]) in ECHO_PORTS


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Hold each node's rules against the slices, and nodes against each other."""
    cluster = facts.cluster
    if network := kube_proxy.replaced_by(cluster):
        raise Skip(f"{network} does kube-proxy's work", moot=True)
    if why := facts.beyond(Tier.PRIVILEGED):
        raise Skip(f"{why}; it would hold the rules that each node has for Services against EndpointSlices", moot=True)
    proxies, want = kube_proxy.pods(cluster), _Want(cluster)
    within = {node.name for node in cluster.all(NODE) if kube_proxy.embedded(node)}
    held: list[_Held] = []
    for node in cluster.hosts:
        reply = facts.reply(ServiceRules(node))
        if not isinstance(reply, ServiceRulesReply) or reply.outcome is not Outcome.OK or reply.cut:
            reason = (
                reply.reason if isinstance(reply, Lost) else "more rules than are read" if getattr(reply, "cut", 0) else "refused"
            )
            yield Unseen(f"rules of node {node}", reason, asked=True)
        elif (found := _Held(facts, want, node, reply)).mode == "ipvs":
            yield Unseen(f"rules of node {node}", "ipvs mode keeps them in a table of its own")
        elif any(map(kube_proxy.is_running, proxies.get(node, ()))) or node in within or any(found.sets.values()):
            held.append(found)
    yield from _judge(held, want, proxies)
    yield from _left(held, proxies)


def _judge(held: list[_Held], want: _Want, proxies: dict[str, list[Pod]]) -> Iterator[Finding | Unseen]:
    """Judge each node where another one holds just what it should, or where there is but one."""
    alone = len(held) == 1
    if not alone and held and not any(each.clean for each in held):
        yield Unseen("rules of Services", "they differ from the lists on every node alike: endpoints change just now")
        return
    for each in held:
        others = [other for other in held if other is not each]
        missing = {text for text in each.missing if alone or _minority(sum(text in other.missing for other in others), others)}
        extra = {text for text in each.extra if _minority(sum(text in other.extra for other in others), others)}
        if alone and each.extra:
            yield Unseen(f"rules of node {each.node}", f"{len(each.extra)} endpoints came after the lists, or are stale")
        yield from _findings(each, missing, extra, [other.node for other in others if other.clean], proxies)


def _minority(number: int, others: list[_Held]) -> bool:
    return bool(others) and number * 2 < len(others)


def _findings(
    each: _Held, missing: set[str], extra: set[str], others: list[str], proxies: dict[str, list[Pod]]
) -> Iterator[Finding]:
    subject = Subject("Node", each.node)
    numbers = {"nodes": [each.node], "others": others[:3] or ["no other node"], **_pod(proxies, each.node)}
    if missing and missing == set(each.must):
        yield _mended(NO_RULES, subject, numbers | {"count": len(missing)}, each, missing)
    elif missing:
        yield from _missing(subject, numbers, each, missing)
    if extra:
        yield STALE.on(subject, numbers, endpoints=_some(extra), are="are" if len(extra) > 1 else "is")


def _missing(subject: Subject, numbers: dict[str, Any], each: _Held, missing: set[str]) -> Iterator[Finding]:
    """Services that have no rule left, then those that have some."""
    left = {service for text, services in each.must.items() if text not in missing for service in services}
    of = {service for text in missing for service in each.must[text]}
    for code, services in ((MISSING, of - left), (SOME_MISSING, of & left)):
        texts = [text for text in missing if each.must[text] & services]
        if texts:
            seconds = int(SETTLED.total_seconds())
            names = {"endpoints": _some(texts), "services": _some(services), "settled": seconds}
            yield _mended(code, subject, numbers | names, each, texts)


def _mended(code: Code, subject: Subject, numbers: dict[str, Any], each: _Held, missing: Iterable[str]) -> Finding:
    """A finding with what has to be done before a restart, where that alone would not bring the rules back."""
    if each.table != "nftables":
        return code.on(subject, numbers, again=HOURLY)
    gone = sorted({TABLES_GONE["ip6" if "[" in text else "ip"] for text in missing})
    return replace(code.on(subject, numbers, try_=(LOG, *gone, RESTART), again=NEVER), risk=Risk.NODE)


def _some(items: Iterable[str]) -> str:
    return some(sorted(items), SHOWN)


def _pod(proxies: dict[str, list[Pod]], node: str) -> dict[str, str]:
    pod = next(iter(proxies.get(node, ())), None)
    return {"pod": pod.name if pod else "kube-proxy", "space": pod.namespace if pod else "kube-system"}


def _left(held: list[_Held], proxies: dict[str, list[Pod]]) -> Iterator[Finding]:
    """Rules that nobody keeps up: in the other set of iptables, and of another mode."""
    twice = [each for each in held if each.sets["legacy"] and each.sets["iptables"] and each.table != "nftables"]
    if twice:
        first = twice[0]
        stale = "those in the old tables are" if first.table == "iptables" else "those in nf_tables are"
        stale = "one of the two is" if first.tied else stale  # which one, nothing tells
        tools = ["iptables-legacy"] if first.table == "iptables" else ["iptables-nft"]
        tools = ["iptables-legacy", "iptables-nft"] if first.tied else tools
        lines = tuple(on_node(first.node, f"{tool} -t nat -S KUBE-SERVICES") for tool in tools)
        counts = {"legacy": len(first.sets["legacy"]), "nft": len(first.sets["iptables"])}
        yield TWO_SETS.on(_subject(twice), counts, try_=lines, nodes=_nodes(twice), stale=stale)
    other = [each for each in held if each.sets["nftables"] and (each.sets["iptables"] or each.sets["legacy"])]
    if other:
        first = other[0]
        rest = max((t for t in TABLES if t != first.table), key=lambda table: len(first.sets[table]))
        numbers = {"table": first.table, "other": rest, "count": len(first.sets[first.table]), "left": len(first.sets[rest])}
        yield OTHER_MODE.on(_subject(other), numbers | _pod(proxies, first.node), nodes=_nodes(other), first=first.node)


def _nodes(held: list[_Held]) -> list[str]:
    return [each.node for each in held]


def _subject(held: list[_Held]) -> Subject:
    return Subject("Node", held[0].node) if len(held) == 1 else Subject("Cluster", "rules of Services")


check = Check(
    id="service_rules",
    title="Each node's rules follow the EndpointSlices",
    prefix="SRL",
    needs=Needs(kinds=(NODE, POD, SERVICE, ENDPOINT_SLICE), hints=kube_proxy.HINTS, tier=Tier.PRIVILEGED),
    codes=(NO_RULES, MISSING, SOME_MISSING, STALE, TWO_SETS, OTHER_MODE),
    plan=plan,
    analyse=analyse,
)
