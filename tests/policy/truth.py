# SPDX-License-Identifier: Apache-2.0
"""Verdicts worked out by hand from the API's texts.

A row: the world it is in, who asks whom, and what each end says: ``+`` allowed, ``-`` denied, with the policies that decide.
Pods of every world: a/web and a/db, b/web and b/other (labels app=NAME), on n1 and n2; a/host on n1's network; the addresses
are 10.0.0.1 to 10.0.0.5 and fd00::1 to fd00::4. Namespace b has the label team=x.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from tests.policy.naive import End, Raw

BASE = """
- {kind: Namespace, metadata: {name: b, labels: {team: x}}}
- {kind: Node, metadata: {name: n1, labels: {zone: z1}}, status: {addresses: [{type: InternalIP, address: 172.18.0.1}]}}
- {kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 172.18.0.2}]}}
- kind: Pod
  metadata: {name: web, namespace: a, labels: {app: web}}
  spec:
    nodeName: n1
    containers: [{name: c, ports: [{name: http, containerPort: 8080}, {name: dns, containerPort: 5353, protocol: UDP}]}]
  status: {podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]}
- kind: Pod
  metadata: {name: db, namespace: a, labels: {app: db, tier: back}}
  spec:
    nodeName: n2
    containers: [{name: c, ports: [{name: http, containerPort: 80}]}]
    initContainers:
    - {name: sidecar, restartPolicy: Always, ports: [{name: metrics, containerPort: 9090}]}
    - {name: setup, ports: [{name: setup, containerPort: 7000}]}
  status: {podIPs: [{ip: 10.0.0.2}, {ip: "fd00::2"}]}
- kind: Pod
  metadata: {name: web, namespace: b, labels: {app: web}}
  spec: {nodeName: n1, containers: [{name: c}]}
  status: {podIPs: [{ip: 10.0.0.3}, {ip: "fd00::3"}]}
- kind: Pod
  metadata: {name: other, namespace: b, labels: {app: other}}
  spec: {nodeName: n2, containers: [{name: c}]}
  status: {podIPs: [{ip: 10.0.0.4}, {ip: "fd00::4"}]}
- kind: Pod
  metadata: {name: host, namespace: a, labels: {app: host}}
  spec: {nodeName: n1, hostNetwork: true, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
  status: {podIPs: [{ip: 172.18.0.1}]}
"""


@dataclass(frozen=True)
class Row:
    """One verdict, and why the API's text demands it."""

    name: str
    objects: tuple[Raw, ...]
    source: str
    destination: str
    port: str
    egress: str
    ingress: str
    why: str

    def question(self) -> dict[str, Any]:
        """The arguments of an evaluator."""
        protocol, _, number = self.port.partition("/")
        ends = {"source": end(self.source), "destination": end(self.destination)}
        family = 6 if any(":" in e.ip for e in ends.values()) or self.name.endswith("IPv6") else 4
        return ends | {"protocol": protocol, "port": int(number), "family": family}


def end(text: str) -> End:
    """Return ``a/web`` as a pod and anything else as an address."""
    namespace, slash, pod = text.partition("/")
    return End(namespace, pod) if slash else End(ip=text)


def policy(name: str, spec: str, namespace: str = "a") -> Raw:
    """Return a NetworkPolicy."""
    return {"kind": "NetworkPolicy", "metadata": {"name": name, "namespace": namespace}, "spec": yaml.safe_load(spec)}


def admin(spec: str, name: str = "admin") -> Raw:
    """Return an AdminNetworkPolicy."""
    return {"kind": "AdminNetworkPolicy", "metadata": {"name": name}, "spec": yaml.safe_load(spec)}


def baseline(spec: str) -> Raw:
    """Return the BaselineAdminNetworkPolicy."""
    return {"kind": "BaselineAdminNetworkPolicy", "metadata": {"name": "default"}, "spec": yaml.safe_load(spec)}


def cluster(spec: str, name: str = "cnp") -> Raw:
    """Return a ClusterNetworkPolicy."""
    return {"kind": "ClusterNetworkPolicy", "metadata": {"name": name}, "spec": yaml.safe_load(spec)}


ALL_INGRESS = policy("deny", "{podSelector: {}, policyTypes: [Ingress]}")
ALL_EGRESS = policy("deny-out", "{podSelector: {}, policyTypes: [Egress]}")
FROM_WEB = policy(
    "from-web", "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}"
)
FROM_TEAM = policy("from-team", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}}]}]}")
FROM_TEAM_WEB = policy(
    "from-team-web",
    "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}},"
    " podSelector: {matchLabels: {app: web}}}]}]}",
)
FROM_EITHER = policy(
    "either",
    "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}},"
    " {podSelector: {matchLabels: {app: web}}}]}]}",
)
NAMED = policy("named", "{podSelector: {}, ingress: [{ports: [{port: http}]}]}")
TO_NAMED = policy(
    "to-named", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: http}]}]}"
)
METRICS = policy("metrics", "{podSelector: {}, ingress: [{ports: [{port: metrics}, {port: setup}]}]}")
RANGE = policy("range", "{podSelector: {}, ingress: [{ports: [{port: 8000, endPort: 8010}]}]}")
SCTP = policy("sctp", "{podSelector: {}, ingress: [{ports: [{protocol: SCTP}]}]}")
UNTYPED_PORT = policy("untyped", "{podSelector: {}, ingress: [{ports: [{port: 53}]}]}")
UDP_ONLY = policy("udp", "{podSelector: {}, ingress: [{ports: [{protocol: UDP, port: 53}]}]}")
BLOCK = policy("block", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.128/25]}}]}]}")
BLOCK6 = policy(
    "block6", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: '2001:db8::/32', except: ['2001:db8:1::/48']}}]}]}"
)
BLOCK_PODS = policy("block-pods", "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.3/32}}]}]}")
EMPTY_RULE = policy("empty-rule", "{podSelector: {}, ingress: [{}]}")
EMPTY_FROM = policy("empty-from", "{podSelector: {}, ingress: [{from: [], ports: [{port: 80}]}]}")
ANY_NAMESPACE = policy("any-namespace", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}")
ANY_POD_HERE = policy("any-pod-here", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")
EGRESS_UNTYPED = policy(
    "egress-untyped", "{podSelector: {matchLabels: {app: web}}, egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]}"
)
EGRESS_EMPTY = policy("egress-empty", "{podSelector: {matchLabels: {app: web}}, egress: []}")
EGRESS_ONLY = policy(
    "egress-only",
    "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]}",
)
TYPED_INGRESS = policy("typed-ingress", "{podSelector: {}, policyTypes: [Ingress], egress: [{to: [{podSelector: {}}]}]}")
NOT_IN = policy("not-in", "{podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [back]}]}}")
ABSENT = policy("absent", "{podSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}}")
PRESENT = policy("present", "{podSelector: {matchExpressions: [{key: tier, operator: Exists}]}}")
IN = policy("in", "{podSelector: {matchExpressions: [{key: app, operator: In, values: [db, cache]}]}}")
TO_NODE = policy(
    "to-node",
    "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 172.18.0.2/32}}]}]}",
)

EVERYONE = "subject: {namespaces: {}}"
FROM_ALL = "from: [{namespaces: {}}]"
ANP_DENY = admin("{priority: 10, %s, ingress: [{action: Deny, %s}]}" % (EVERYONE, FROM_ALL))
ANP_ALLOW = admin("{priority: 5, %s, ingress: [{action: Allow, %s}]}" % (EVERYONE, FROM_ALL), "allow")
ANP_PASS = admin("{priority: 5, %s, ingress: [{action: Pass, %s}]}" % (EVERYONE, FROM_ALL), "pass")
ANP_ORDER = admin("{priority: 10, %s, ingress: [{action: Allow, %s, ports: [{portNumber: {protocol: TCP, port: 80}}]}, {action: Deny, %s}]}" % (
    EVERYONE, FROM_ALL, FROM_ALL))  # fmt: skip
ANP_RANGE = admin(
    "{priority: 10, %s, ingress: [{action: Deny, %s, ports: [{portRange: {protocol: TCP, start: 80, end: 90}}]}]}"
    % (EVERYONE, FROM_ALL)
)
ANP_NAMED = admin("{priority: 10, %s, ingress: [{action: Deny, %s, ports: [{namedPort: dns}]}]}" % (EVERYONE, FROM_ALL))
ANP_SUBJECT = admin(
    "{priority: 10, subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}}, ingress: [{action: Deny, %s}]}"
    % FROM_ALL
)
ANP_NETWORKS = admin("{priority: 10, %s, egress: [{action: Deny, to: [{networks: [10.0.0.0/30, 192.0.2.0/24]}]}]}" % EVERYONE)
ANP_NODES = admin("{priority: 10, %s, egress: [{action: Deny, to: [{nodes: {matchLabels: {zone: z1}}}]}]}" % EVERYONE)
ANP_LATER = admin("{priority: 10, %s, ingress: [{action: Deny, from: [{planets: [mars]}]}]}" % EVERYONE)
ANP_LATER_ALLOW = admin("{priority: 10, %s, ingress: [{action: Allow, from: [{planets: [mars]}]}]}" % EVERYONE)
BANP_DENY = baseline("{%s, ingress: [{action: Deny, %s}]}" % (EVERYONE, FROM_ALL))
CNP_ADMIN = cluster("{tier: Admin, priority: 1, %s, ingress: [{action: Deny, %s, protocols: [{tcp: {destinationPort: {number: 80}}}]}]}" % (
    EVERYONE, FROM_ALL))  # fmt: skip
CNP_UDP = cluster("{tier: Admin, priority: 1, %s, ingress: [{action: Deny, %s, protocols: [{udp: {}}]}]}" % (EVERYONE, FROM_ALL))
CNP_NAMED = cluster(
    "{tier: Admin, priority: 1, %s, ingress: [{action: Deny, %s, protocols: [{destinationNamedPort: http}]}]}"
    % (EVERYONE, FROM_ALL)
)
CNP_ACCEPT = cluster("{tier: Admin, priority: 1, %s, ingress: [{action: Accept, %s}]}" % (EVERYONE, FROM_ALL))
CNP_BASE = cluster("{tier: Baseline, priority: 7, %s, ingress: [{action: Deny, %s}]}" % (EVERYONE, FROM_ALL), "base")
CNP_BASE_PASS = cluster("{tier: Baseline, priority: 1, %s, ingress: [{action: Pass, %s}]}" % (EVERYONE, FROM_ALL), "base-pass")


def _rows() -> list[Row]:
    found: list[Row] = []

    def row(name: str, objects: tuple[Raw, ...], line: str, why: str) -> None:
        source, destination, port, egress, ingress = line.split()
        found.append(Row(name, objects, source, destination, port, egress, ingress, why))

    row("no policy", (), "b/web a/db TCP/80 + +", "not isolated: all is allowed")
    row("default deny", (ALL_INGRESS,), "b/web a/db TCP/80 + -deny", "an empty podSelector selects all pods of the namespace")
    row("default deny is of one namespace", (ALL_INGRESS,), "a/web b/web TCP/80 + +", "a policy is for its own namespace")
    row("deny of ingress leaves egress", (ALL_INGRESS,), "a/db b/web TCP/80 + +", "each direction is isolated by itself")
    row("default deny of egress", (ALL_EGRESS,), "a/web b/web TCP/80 -deny-out +", "the source's egress counts")
    row("outside is denied too", (ALL_INGRESS,), "203.0.113.9 a/db TCP/80 + -deny", "isolated against everybody")
    row("pod selector", (FROM_WEB,), "a/web a/db TCP/80 + +from-web", "podSelector: pods of the policy's namespace")
    row(
        "pod selector, other namespace",
        (FROM_WEB,),
        "b/web a/db TCP/80 + -from-web",
        "podSelector alone: only the policy's namespace",
    )
    row("pod selector, other pod", (FROM_WEB,), "b/other a/db TCP/80 + -from-web", "labels don't match")
    row("not selected", (FROM_WEB,), "b/other a/web TCP/80 + +", "the policy is not for web")
    row("policies add up", (ALL_INGRESS, FROM_WEB), "a/web a/db TCP/80 + +from-web", "policies are additive")
    row("all that isolate deny", (ALL_INGRESS, FROM_WEB), "b/web a/db TCP/80 + -deny,from-web", "none of them allows it")
    row("namespace selector", (FROM_TEAM,), "b/other a/db TCP/80 + +from-team", "all pods of selected namespaces")
    row("namespace selector, own", (FROM_TEAM,), "a/web a/db TCP/80 + -from-team", "the own namespace is not selected")
    row("both selectors", (FROM_TEAM_WEB,), "b/web a/db TCP/80 + +from-team-web", "pods in namespaces: both must match")
    row("both selectors, wrong pod", (FROM_TEAM_WEB,), "b/other a/db TCP/80 + -from-team-web", "one peer with both is an AND")
    row("two peers, by namespace", (FROM_EITHER,), "b/other a/db TCP/80 + +either", "two entries are an OR")
    row("two peers, by pod", (FROM_EITHER,), "a/web a/db TCP/80 + +either", "two entries are an OR")
    row(
        "any namespace",
        (ANY_NAMESPACE,),
        "b/other a/db TCP/80 + +any-namespace",
        "an empty namespaceSelector selects all namespaces",
    )
    row(
        "any namespace is not the outside",
        (ANY_NAMESPACE,),
        "203.0.113.9 a/db TCP/80 + -any-namespace",
        "it selects pods, no addresses",
    )
    row("any pod here", (ANY_POD_HERE,), "a/web a/db TCP/80 + +any-pod-here", "an empty podSelector: all pods of the namespace")
    row("any pod here is not there", (ANY_POD_HERE,), "b/web a/db TCP/80 + -any-pod-here", "of the policy's namespace only")
    row("empty rule", (EMPTY_RULE,), "203.0.113.9 a/db UDP/9 + +empty-rule", "from and ports missing: all is allowed")
    row("empty from", (EMPTY_FROM,), "203.0.113.9 a/db TCP/80 + +empty-from", "from empty or missing: all sources")
    row("empty from, other port", (EMPTY_FROM,), "203.0.113.9 a/db TCP/81 + -empty-from", "but only its ports")
    row("ipBlock", (BLOCK,), "192.0.2.1 a/db TCP/80 + +block", "in the CIDR")
    row("ipBlock, last before except", (BLOCK,), "192.0.2.127 a/db TCP/80 + +block", "the exception begins at .128")
    row("ipBlock, except", (BLOCK,), "192.0.2.128 a/db TCP/80 + -block", "except is not matched by the rule")
    row("ipBlock, beside", (BLOCK,), "192.0.3.0 a/db TCP/80 + -block", "not in the CIDR")
    row("ipBlock on a pod", (BLOCK_PODS,), "b/web a/db TCP/80 + +block-pods", "the pod has that address")
    row("ipBlock on another pod", (BLOCK_PODS,), "b/other a/db TCP/80 + -block-pods", "that pod has another")
    row("ipBlock on a pod, over IPv6", (BLOCK_PODS,), "b/web a/db TCP/80 + -block-pods", "an IPv4 block has no IPv6 address")
    row("ipBlock by the pod's address", (BLOCK_PODS,), "10.0.0.3 a/db TCP/80 + +block-pods", "the address is the pod's")
    row("IPv6 block", (BLOCK6,), "2001:db8::1 a/db TCP/80 + +block6", "in the CIDR")
    row("IPv6 block, except", (BLOCK6,), "2001:db8:1::1 a/db TCP/80 + -block6", "in the exception")
    row("IPv6 block is no IPv4", (BLOCK6,), "192.0.2.1 a/db TCP/80 + -block6", "another family")
    row("named port, db", (NAMED,), "b/web a/db TCP/80 + +named", "http is 80 on db")
    row("named port, web", (NAMED,), "b/web a/web TCP/8080 + +named", "http is 8080 on web")
    row("named port is per destination", (NAMED,), "b/web a/web TCP/80 + -named", "80 is another pod's http")
    row("named port, other protocol", (NAMED,), "b/web a/web UDP/8080 + -named", "protocol missing is TCP")
    row("named port on egress", (TO_NAMED,), "a/web a/db TCP/80 +to-named +", "the destination's name, not the source's")
    row("named port on egress, source's", (TO_NAMED,), "a/web a/db TCP/8080 -to-named +", "8080 is http on the source")
    row("named port on egress, undeclared", (TO_NAMED,), "a/web b/web TCP/8080 -to-named +", "the destination declares none")
    row("named port outside", (TO_NAMED,), "a/web 203.0.113.9 TCP/8080 -to-named +", "an address has no names")
    row("named port of a sidecar", (METRICS,), "b/web a/db TCP/9090 + +metrics", "restartable init containers count")
    row("named port of an init container", (METRICS,), "b/web a/db TCP/7000 + -metrics", "other init containers don't")
    row("endPort, first", (RANGE,), "b/web a/db TCP/8000 + +range", "inclusive")
    row("endPort, last", (RANGE,), "b/web a/db TCP/8010 + +range", "inclusive")
    row("endPort, behind", (RANGE,), "b/web a/db TCP/8011 + -range", "and no further")
    row("endPort, other protocol", (RANGE,), "b/web a/db UDP/8005 + -range", "protocol missing is TCP")
    row("SCTP", (SCTP,), "b/web a/db SCTP/5 + +sctp", "port missing: all ports of the protocol")
    row("SCTP is not TCP", (SCTP,), "b/web a/db TCP/5 + -sctp", "only that protocol")
    row("protocol missing", (UNTYPED_PORT,), "b/web a/db TCP/53 + +untyped", "protocol defaults to TCP")
    row("protocol missing is not UDP", (UNTYPED_PORT,), "b/web a/db UDP/53 + -untyped", "protocol defaults to TCP")
    row("UDP", (UDP_ONLY,), "b/web a/db UDP/53 + +udp", "as written")
    row("UDP is not TCP", (UDP_ONLY,), "b/web a/db TCP/53 + -udp", "as written")
    row("types by default, egress", (EGRESS_UNTYPED,), "a/web b/web TCP/80 -egress-untyped +", "there are egress rules: Egress")
    row("types by default, ingress too", (EGRESS_UNTYPED,), "b/web a/web TCP/80 + -egress-untyped", "Ingress always")
    row("types by default, allowed", (EGRESS_UNTYPED,), "a/web a/db TCP/80 +egress-untyped +", "the rule allows it")
    row("types by default, no egress rule", (EGRESS_EMPTY,), "a/web b/web TCP/80 + +", "an empty list is no egress rule")
    row("egress only", (EGRESS_ONLY,), "b/web a/web TCP/80 + +", "Ingress is not isolated")
    row(
        "types say ingress",
        (TYPED_INGRESS,),
        "a/web b/web TCP/80 + +",
        "rules of a direction that is not among the types are idle",
    )
    row("NotIn", (NOT_IN,), "b/web a/web TCP/80 + -not-in", "NotIn also matches where the key is missing")
    row("NotIn, in", (NOT_IN,), "b/web a/db TCP/80 + +", "tier is back")
    row("DoesNotExist", (ABSENT,), "b/web a/web TCP/80 + -absent", "no such label")
    row("Exists", (PRESENT,), "b/web a/db TCP/80 + -present", "any value")
    row("Exists, missing", (PRESENT,), "b/web a/web TCP/80 + +", "no such label")
    row("In", (IN,), "b/web a/db TCP/80 + -in", "one of the values")
    row("within a pod", (ALL_INGRESS, ALL_EGRESS), "a/web a/web TCP/80 + +", "a pod can't block access to itself")
    row("own node", (ALL_INGRESS,), "172.18.0.1 a/web TCP/80 + +", "the node where a pod runs reaches it always")
    row("other node", (ALL_INGRESS,), "172.18.0.2 a/web TCP/80 + -deny", "other nodes are subject to the policy")
    row("own node, egress", (ALL_EGRESS,), "a/web 172.18.0.1 TCP/80 + +", "traffic to the pod's node is allowed always")
    row("other node, egress", (ALL_EGRESS,), "a/web 172.18.0.2 TCP/80 -deny-out +", "other nodes are not")
    row("host pod on the own node", (ALL_INGRESS,), "a/host a/web TCP/80 + +", "its traffic is its node's")
    row("host pod on another node", (ALL_INGRESS,), "a/host a/db TCP/80 + -deny", "another node's")
    row("host pod is not selected", (ALL_INGRESS,), "b/web a/host TCP/80 + +", "ignored in podSelector")
    row("host pod is no peer", (ANY_POD_HERE,), "a/host a/db TCP/80 + -any-pod-here", "ignored as a peer")
    row("node by ipBlock", (TO_NODE,), "a/web 172.18.0.2 TCP/80 +to-node +", "a node is an address")
    row("ANP denies", (ANP_DENY,), "b/web a/db TCP/80 + -admin", "Deny is final")
    row("ANP denies over NetworkPolicy", (ANP_DENY, EMPTY_RULE), "b/web a/db TCP/80 + -admin", "Admin is asked first")
    row("ANP: outside is no peer", (ANP_DENY,), "203.0.113.9 a/db TCP/80 + +", "ingress peers are pods")
    row("ANP allows over NetworkPolicy", (ANP_ALLOW, ALL_INGRESS), "b/web a/db TCP/80 + +allow", "Allow is final")
    row("ANP priority", (ANP_DENY, ANP_ALLOW), "b/web a/db TCP/80 + +allow", "lower values have precedence")
    row(
        "ANP passes to NetworkPolicy",
        (ANP_PASS, ANP_DENY, EMPTY_RULE),
        "b/web a/db TCP/80 + +empty-rule",
        "Pass skips the rest of the tier",
    )
    row("ANP passes to the default", (ANP_PASS, ANP_DENY), "b/web a/db TCP/80 + +", "nothing else has a say")
    row("ANP passes to Baseline", (ANP_PASS, ANP_DENY, BANP_DENY), "b/web a/db TCP/80 + -default", "not isolated, so Baseline")
    row("ANP rules in order", (ANP_ORDER,), "b/web a/db TCP/80 + +admin", "the first that matches")
    row("ANP rules in order, later", (ANP_ORDER,), "b/web a/db TCP/81 + -admin", "the first does not match")
    row("ANP port range", (ANP_RANGE,), "b/web a/db TCP/90 + -admin", "inclusive")
    row("ANP port range, behind", (ANP_RANGE,), "b/web a/db TCP/91 + +", "and no further")
    row("ANP named port", (ANP_NAMED,), "b/web a/web UDP/5353 + -admin", "with the declared protocol")
    row("ANP named port, other protocol", (ANP_NAMED,), "b/web a/web TCP/5353 + +", "declared as UDP")
    row("ANP subject by pods", (ANP_SUBJECT,), "b/web a/db TCP/80 + -admin", "selected")
    row("ANP subject by pods, other", (ANP_SUBJECT,), "b/web a/web TCP/80 + +", "not selected")
    row("ANP networks", (ANP_NETWORKS,), "a/web 192.0.2.9 TCP/80 -admin +", "CIDRs on egress")
    row("ANP networks have pods", (ANP_NETWORKS,), "b/web a/db TCP/80 -admin +", "cluster-internal traffic is checked as well")
    row("ANP networks, other pod", (ANP_NETWORKS,), "a/web b/other TCP/80 + +", "10.0.0.4 is not in 10.0.0.0/30")
    row("ANP nodes", (ANP_NODES,), "a/db 172.18.0.1 TCP/80 -admin +", "the node's address, by its labels")
    row("ANP nodes, other", (ANP_NODES,), "a/web 172.18.0.2 TCP/80 + +", "no such label")
    row("ANP: host pod is no subject", (ANP_DENY,), "b/web a/host TCP/80 + +", "host-networked pods are not included")
    row("ANP of a later version", (ANP_LATER,), "b/web a/db TCP/80 + -admin", "fail closed: Deny all")
    row(
        "ANP of a later version allows nothing",
        (ANP_LATER_ALLOW, ANP_DENY),
        "b/web a/db TCP/80 + -admin",
        "fail closed: no traffic",
    )
    row("BANP denies", (BANP_DENY,), "b/web a/db TCP/80 + -default", "nothing above decides")
    row(
        "NetworkPolicy over BANP",
        (BANP_DENY, EMPTY_RULE),
        "b/web a/db TCP/80 + +empty-rule",
        "Baseline is only for pods not isolated",
    )
    row("NetworkPolicy of egress leaves BANP", (BANP_DENY, ALL_EGRESS), "b/web a/db TCP/80 + -default", "per direction")
    row("CNP Admin", (CNP_ADMIN,), "b/web a/db TCP/80 + -cnp", "by tcp port")
    row("CNP Admin, other port", (CNP_ADMIN,), "b/web a/db TCP/81 + +", "by tcp port")
    row("CNP protocol without port", (CNP_UDP,), "b/web a/db UDP/9 + -cnp", "all UDP")
    row("CNP protocol without port, TCP", (CNP_UDP,), "b/web a/db TCP/9 + +", "only UDP")
    row("CNP named port", (CNP_NAMED,), "b/web a/web TCP/8080 + -cnp", "as the destination declares it")
    row("CNP accepts over NetworkPolicy", (CNP_ACCEPT, ALL_INGRESS), "b/web a/db TCP/80 + +cnp", "Accept is final")
    row("CNP Baseline", (CNP_BASE,), "b/web a/db TCP/80 + -base", "nothing above decides")
    row(
        "NetworkPolicy over CNP Baseline",
        (CNP_BASE, EMPTY_RULE),
        "b/web a/db TCP/80 + +empty-rule",
        "NetworkPolicy always decides",
    )
    row("CNP Baseline passes", (CNP_BASE_PASS, CNP_BASE), "b/web a/db TCP/80 + +", "Pass goes to the default")
    return found


ROWS = _rows()
