# SPDX-License-Identifier: Apache-2.0
"""Do the network policies, as written, protect what they seem to protect, and allow what workloads need?

## What it looks at
Every NetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy, and the policies of Calico's,
Cilium's and Antrea's own kinds, evaluated against all pods and against the templates of workloads without pods: namespaces
without a default deny, policies that allow everybody or select nothing, peers that match nothing, named ports that no pod
declares, redundant rules, egress that the other side's ingress does not allow, rules with the port or the address of a
Service instead of its pods', and egress without cluster DNS (UDP and TCP to the port that the DNS pods listen on, and the
addresses of NodeLocal DNSCache). Also policies at the DNS servers, and cluster-wide ones, that keep pods from them; if they
keep every pod away, DNS is down in the whole cluster. `kubectl netdoc policy coverage` prints all of it with the YAML that
fixes it.

## Why it matters
A policy that selects nothing protects nothing but looks as if it did. An egress policy without DNS breaks every name that its
pods resolve: the first timeout comes after 5 s, and nothing in it says "policy".

## What it can't see
Whether anything enforces the policies: only the canary of policy_enforcement shows that, and DNS itself if it answers.
Policies of OVN's own kind, and of other CNIs' kinds those that it can't read as a whole, are counted, not evaluated; what
depends on HTTP, domain names or Services is uncertain. All of this is advice, except DNS that is blocked at its servers or
for a workload with other egress; for a workload that resolves no names that is a false alarm. The NodeLocal address is a
warning only if a debug pod was seen to use it.

## Sources
Kubernetes: Network Policies; the types of networking.k8s.io/v1 and policy.networking.k8s.io. Failure catalogue D4, D5, P3, P4,
P7.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    NAMESPACE,
    NETWORK_KINDS,
    NETWORK_POLICY,
    NODE,
    OWNERS,
    POD,
    POLICIES,
    POLICY_AIDS,
    SERVICE,
    Check,
    Facts,
    Finding,
    Made,
    Needs,
    Unseen,
)
from kubectl_netdoc.checks.policies.policy_coverage import dns, flaws, isolation
from kubectl_netdoc.checks.policies.policy_coverage.common import first_few
from kubectl_netdoc.policy import dns_access
from kubectl_netdoc.policy.coverage import PolicyCoverage
from kubectl_netdoc.policy.dns_access import UNKNOWN_NAMESPACE
from kubectl_netdoc.policy.engine import Engine


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Compile the policies once, then report what they forget, allow and forbid."""
    engine = Engine(facts.cluster, unlisted_pods=((UNKNOWN_NAMESPACE, {}),))
    coverage = PolicyCoverage(engine)
    if engine.native:
        shown = first_few(engine.native)
        yield isolation.NATIVE.on(isolation.POLICIES, count=len(engine.native), policies=shown, objects=engine.native_refs)
    if not engine.policies:
        yield from isolation.without_policies(engine, coverage)
        return
    yield from isolation.open_namespaces(coverage)
    yield from flaws.flawed_policies(engine)
    if servers := dns_access.servers(engine):
        yield from dns.blocked_lookups(facts, engine, coverage, servers)
    elif dns_access.isolating(engine):
        yield Unseen("DNS through the policies", dns_access.NO_DNS_PODS)


check = Check(
    id="policy_coverage",
    title="Network policies protect what they seem to protect",
    prefix="POL",
    needs=Needs(
        kinds=(POD, NETWORK_POLICY),
        optional=(NAMESPACE, NODE, SERVICE, COREFILE, *OWNERS, *POLICIES[1:]),
        hints=(*POLICY_AIDS, *NETWORK_KINDS),
        makes=(Made.PODS,),
    ),
    codes=(
        *isolation.CODES,
        *flaws.CODES,
        *dns.CODES,
    ),
    plan=dns.plan,
    analyse=analyse,
)
