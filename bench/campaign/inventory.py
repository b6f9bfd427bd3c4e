# SPDX-License-Identifier: Apache-2.0
"""What a lab has that can be mutated: its objects, and of each node settings, routes, neighbours, links and processes.

All lists are sorted by names that are alike on every lab of one make, so that a seed draws the same on each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec import Struct

from lab.faults.runner import Lab

KINDS = (
    "services", "endpointslices", "deployments", "daemonsets", "statefulsets", "pods", "configmaps", "nodes", "networkpolicies",
    "clusterroles", "validatingwebhookconfigurations", "mutatingwebhookconfigurations",
)  # fmt: skip
OWN = ("campaign", "kube-node-lease", "kube-public", "local-path-storage")
"""Namespaces that are left alone: the oracle's, and those that carry no traffic."""

RANGES = ("10.244.0.0/16", "10.96.0.0/12")
"""Of pods and Services, as kubeadm has them."""

READ = r"""
echo "== sysctl"; cd /proc/sys; find net -type f -perm -200 -readable -print0 | sort -z | xargs -0 grep -sH "" | sed 's/:/=/'
echo "== route"; ip -o route show table all; ip -6 -o route show table all
echo "== rule"; ip rule; ip -6 rule
echo "== neighbour"; ip neigh
echo "== fdb"; bridge fdb show
echo "== link"; ip -o link
echo "== address"; ip -o -4 address
echo "== files"; for f in /etc/cni/net.d/*list /etc/resolv.conf /var/lib/kubelet/config.yaml /run/flannel/subnet.env; do
  [ -f "$f" ] && sed "s|^|$f=|" "$f"; done
for f in portmap bridge flannel host-local loopback calico; do [ -x /opt/cni/bin/$f ] && echo "/opt/cni/bin/$f="; done; true
"""


class Node(Struct, frozen=True):
    """One node, as its container shows it."""

    name: str
    address: str
    pod_range: str
    sections: dict[str, tuple[str, ...]]

    def lines(self, section: str) -> tuple[str, ...]:
        """The lines of a section of `READ`."""
        return self.sections.get(section, ())

    @property
    def links(self) -> tuple[str, ...]:
        """Names of links that every such node has."""
        names = [line.split(": ")[1].split("@")[0] for line in self.lines("link")]
        return tuple(
            sorted(name for name in names if not re.match(r"veth|cali|lxc|tunl|sit|ip6tnl|gre|erspan|ip_vti|ip6_vti", name))
        )


class Inventory(Struct, frozen=True):
    """All of it, at one time."""

    objects: dict[str, tuple[dict[str, Any], ...]]
    """By kind, as the API gave them."""
    nodes: tuple[Node, ...]

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """Objects of these kinds, sorted."""
        return [item for kind in kinds for item in self.objects.get(kind, ())]

    @property
    def control_plane(self) -> Node:
        """The node that has the API server."""
        return next(node for node in self.nodes if node.name.endswith("control-plane"))

    @property
    def workers(self) -> tuple[Node, ...]:
        """The others."""
        return tuple(node for node in self.nodes if node != self.control_plane)

    @property
    def addresses(self) -> list[str]:
        """Addresses and ranges that packets of this cluster bear: nodes, pods' ranges, Services."""
        found = [node.address for node in self.nodes] + [node.pod_range for node in self.nodes] + list(RANGES)
        found += [ip for item in self.of("Service") for ip in (item["spec"].get("clusterIP"),) if ip and ip != "None"]
        return found

    @property
    def ports(self) -> list[str]:
        """Ports that something in this cluster listens on."""
        found = {"53", "443", "6443", "8472", "10250", "179", "5473"}
        for item in self.of("Service"):
            for port in item["spec"].get("ports", ()):
                found |= {str(port[key]) for key in ("port", "targetPort", "nodePort") if str(port.get(key, "")).isdigit()}
        return sorted(found, key=int)


def _objects(lab: Lab, kinds: Sequence[str]) -> list[dict[str, Any]]:
    """The objects of these kinds that are not left alone, sorted."""
    items = json.loads(lab.kubectl("get", ",".join(kinds), "-A", "-o", "json"))["items"]
    found = []
    for item in items:
        space = item["metadata"].get("namespace", "")
        if space not in OWN and not space.startswith("netdoc-") and item["metadata"]["name"] != "kube-root-ca.crt":
            found.append(item)
    return sorted(found, key=lambda item: (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]))


def read(lab: Lab) -> Inventory:
    """Read all of it from a healthy lab."""
    objects: dict[str, list[dict[str, Any]]] = {}
    for item in _objects(lab, KINDS):
        objects.setdefault(item["kind"], []).append(item)
    with ThreadPoolExecutor() as pool:
        nodes = tuple(pool.map(lambda item: _node(lab, item), objects["Node"]))
    return Inventory({kind: tuple(found) for kind, found in objects.items()}, nodes)


SETTLED = ("endpointslices", "pods", "nodes")
"""Kinds that controllers write anew: what is in them is seen by the probes."""


def written(lab: Lab) -> dict[str, str]:
    """What people have written down in objects, by object: what a mutation may leave behind there."""
    found = {}
    for item in _objects(lab, [kind for kind in KINDS if kind not in SETTLED]):
        content = {key: value for key, value in item.items() if key not in ("metadata", "status", "kind", "apiVersion")}
        content["labels"] = item["metadata"].get("labels")
        template = content.get("spec", {}).get("template", {}).get("metadata", {})
        template.get("annotations", {}).pop("kubectl.kubernetes.io/restartedAt", None)
        if not template.get("annotations"):
            template.pop("annotations", None)
        name = f"{item['kind']} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
        found[name] = json.dumps(content, sort_keys=True)
    return found


def state(lab: Lab, nodes: Sequence[Node]) -> dict[str, tuple[str, ...]]:
    """What a mutation may leave behind on nodes: a line a fact, by node. Counters, leases and single pods are no facts."""
    with ThreadPoolExecutor() as pool:
        return dict(
            zip([node.name for node in nodes], pool.map(lambda node: tuple(sorted(_facts(lab, node))), nodes), strict=True)
        )


def _node(lab: Lab, item: dict[str, Any]) -> Node:
    name = item["metadata"]["name"]
    address = next(each["address"] for each in item["status"]["addresses"] if each["type"] == "InternalIP")
    return Node(name, address, item["spec"].get("podCIDR", ""), _sections(lab.node(name, READ)))


def _sections(output: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in output.splitlines():
        if line.startswith("== "):
            lines = found.setdefault(line[3:], [])
        elif line.strip():
            lines.append(line.rstrip())
    return {name: tuple(each) for name, each in found.items()}


_FLEETING = re.compile(
    r"veth|/cali|nf_conntrack_count|tcp_mem|udp_mem|/neigh/|random|flush|nf_conntrack_buckets|/lxc|stable_secret"
)


def _facts(lab: Lab, node: Node) -> Iterator[str]:
    now = _sections(lab.node(node.name, READ))
    yield from (f"sysctl {line}" for line in now.get("sysctl", ()) if not _FLEETING.search(line.split("=")[0]))
    yield from (
        f"route {line}"
        for line in now.get("route", ())
        if not re.search(r"veth|cali|cni0|expires|lladdr|fe80|multicast|linkdown", line)
    )
    yield from (f"rule {line}" for line in now.get("rule", ()))
    yield from (f"neighbour {line}" for line in now.get("neighbour", ()) if "PERMANENT" in line)
    yield from (f"fdb {line}" for line in now.get("fdb", ()) if "dev flannel.1" in line)
    yield from (f"address {line.split('valid_lft')[0]}" for line in now.get("address", ()))
    for line in now.get("link", ()):
        if match := re.match(r"\d+: ((?!veth|cali|lxc)[^:@]+)\S* <(\S*)> mtu (\d+)", line):
            flags = sorted(set(match[2].split(",")) & {"UP", "NOARP", "PROMISC", "MULTICAST", "ALLMULTI"})
            yield f"link {match[1]} {','.join(flags)} {match[3]}"
