# SPDX-License-Identifier: Apache-2.0
"""Advice on the coverage: each piece as text, with the least YAML or the command for it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc.policy import dns_access, fixes
from kubectl_netdoc.policy.coverage import SYSTEM, NamespaceCoverage, PolicyCoverage
from kubectl_netdoc.policy.dns_access import CutOff, DnsBlocked, DnsServers
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.flaws import Fault, PolicyFlaw, flaws, isolates_more
from kubectl_netdoc.policy.rules import Direction, PolicyRef, PolicyTier
from kubectl_netdoc.records.kinds import NETWORK_POLICY


class Item(Struct, frozen=True):
    """One piece of advice about a namespace ("" is the cluster)."""

    namespace: str
    text: str
    yaml: str = ""
    command: str = ""

    @property
    def parts(self) -> tuple[str, str, str]:
        """Text, YAML and command."""
        return self.text, self.yaml, self.command


def advice(engine: Engine, coverage: PolicyCoverage) -> Iterator[Item]:
    """Yield all advice: default deny, flawed policies, DNS."""
    taken: set[tuple[str, str]] = set()
    yield from (Item("", text) for text in engine.left_out)
    for space in coverage.namespaces:
        yield from _default_deny(engine, space, taken)
    yield from (_flaw(engine, flaw, taken) for flaw in flaws(engine))
    yield from _dns(engine, coverage, taken)


def _default_deny(engine: Engine, space: NamespaceCoverage, taken: set[tuple[str, str]]) -> Iterator[Item]:
    if not space.open or space.name.startswith(SYSTEM):
        return
    spec = {"podSelector": {}, "policyTypes": ["Ingress"]}
    metadata = {"name": fixes.free_name(engine.cluster, space.name, "default-deny-ingress", taken), "namespace": space.name}
    manifest = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    text = (
        f"Namespace {space.name}: {space.open} of {space.counted} accept connections from the whole cluster. A "
        "default-deny policy would block these, and everything else that no other policy allows. See first what it "
        "would block: kubectl netdoc policy diff --with FILE"
    )
    yield Item(space.name, text, fixes.as_yaml(manifest))


def _flaw(engine: Engine, flaw: PolicyFlaw, taken: set[tuple[str, str]]) -> Item:
    text = f"{flaw.policy}, {flaw.place}: {flaw.fault}: {flaw.detail}"
    command = ""
    written = engine.cluster.get(NETWORK_POLICY, flaw.policy.namespace, flaw.policy.name)
    if flaw.fault is Fault.SHADOWED and written is not None:
        command = fixes.command(flaw.policy, fixes.removal(written, flaw.superfluous))
    elif flaw.fault is Fault.SELECTS_NOTHING:
        command = f"kubectl -n {flaw.policy.namespace or 'default'} get pods --show-labels"
    if flaw.fault is Fault.ONE_SIDED and flaw.other:
        text += f" ({flaw.other} lets none of them in)"
    return Item(flaw.policy.namespace, text, _receiving(engine, flaw, taken), command)


def _receiving(engine: Engine, flaw: PolicyFlaw, taken: set[tuple[str, str]]) -> str:
    """Return the policy at the other end that a one-sided rule lacks."""
    sender = engine.cluster.get(NETWORK_POLICY, flaw.policy.namespace, flaw.policy.name)
    if flaw.receiver is None or sender is None or not flaw.receiver.labels or isolates_more(engine, flaw.receiver):
        return ""
    peer = fixes.peer_of(sender.namespace, fixes.selector(sender.spec.pod_selector), flaw.receiver.namespace)
    rule = {"from": [peer], "ports": fixes.port_entries(flaw.ports)}
    pods = {"matchLabels": dict(flaw.receiver.labels)}
    name = fixes.free_name(engine.cluster, flaw.receiver.namespace, f"from-{sender.name}", taken)
    return fixes.as_yaml(fixes.policy(name, flaw.receiver.namespace, pods, Direction.INGRESS, fixes.tidy(rule)))


def _dns(engine: Engine, coverage: PolicyCoverage, taken: set[tuple[str, str]]) -> Iterator[Item]:
    """Yield one item for each policy and what it blocks its workloads from."""
    dns = dns_access.servers(engine)
    if dns is None and dns_access.isolating(engine):
        yield Item("", f"Not looked at: whether policies allow access to cluster DNS, because {dns_access.NO_DNS_PODS}")
    if dns is None:
        return
    found = list(dns_access.blocked(engine, coverage.peers, dns))
    cut = list(dns_access.cut_off(engine, coverage.peers, dns, found))
    yield from (_admit(engine, dns, one, taken) for one in cut)
    groups: dict[tuple[PolicyRef, str, tuple[str, ...]], list[DnsBlocked]] = {}
    for one in found:
        if one.by and not one.is_outage:
            groups.setdefault((one.by[0], one.protocol, one.local), []).append(one)
    for (ref, protocol, local), those in groups.items():
        what = f"the NodeLocal address {', '.join(local)}" if local else f"cluster DNS over {protocol}"
        meant = "" if any(one.has_egress for one in those) else " (no egress at all is allowed, which may be intended)"
        workloads = dict.fromkeys(str(one.workload) for one in those)
        text = f"{ref} blocks {', '.join(workloads)} from {what}{meant}"
        policy = engine.cluster.get(NETWORK_POLICY, ref.namespace, ref.name) if ref.kind == NETWORK_POLICY.name else None
        manifest = ""
        if policy is not None and those[0].direction is Direction.EGRESS:
            rule = fixes.dns_rule(dns, ref.namespace, local)
            name = fixes.free_name(engine.cluster, ref.namespace, f"{ref.name}-dns", taken)
            pods = fixes.selector(policy.spec.pod_selector)
            manifest = fixes.as_yaml(fixes.policy(name, ref.namespace, pods, Direction.EGRESS, rule))
        yield Item(ref.namespace, text, manifest)


def _admit(engine: Engine, dns: DnsServers, cut: CutOff, taken: set[tuple[str, str]]) -> Item:
    """Return what allows pods to use cluster DNS again: a new policy at the servers, or a first rule of a cluster-wide policy."""
    who = "every pod" if cut.everybody else ", ".join(map(str, cut.workloads))
    text = f"{', '.join(map(str, cut.policies))}: blocks {who} from cluster DNS over UDP"
    wide = next((ref for ref in cut.policies if not ref.namespace), None)
    if any(policy.tier is PolicyTier.OWN for policy in engine.policies if policy.ref in cut.policies):
        return Item("", text)
    if wide is not None:
        return Item(
            "", text, command=fixes.command(wide, fixes.dns_first(dns, wide.kind, cut.direction, baseline=engine.baseline(wide)))
        )
    space = dns.service.namespace
    name = fixes.free_name(engine.cluster, space, "allow-cluster-dns", taken)
    rule = fixes.dns_ingress(dns, nodes=dns_access.queried_from_nodes(engine, dns))
    pods = fixes.labelled(dns.service.spec.selector)
    return Item(space, text, fixes.as_yaml(fixes.policy(name, space, pods, Direction.INGRESS, rule)))
