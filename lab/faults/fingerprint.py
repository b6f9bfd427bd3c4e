# SPDX-License-Identifier: Apache-2.0
"""The state of a cluster as lines of text, a line a fact: all that a fault may change, but nothing that a rollout does.

Left out are names and addresses of single pods, what kube-proxy, flannel and Felix generate, and the bridge `cni0` as long as
it is up: it comes with the first pod of a node.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

KINDS = (
    "namespaces,nodes,services,endpointslices,configmaps,pods,"
    "deployments,daemonsets,statefulsets,networkpolicies,ingresses,poddisruptionbudgets"
)

# Prints sections headed "== NAME"; run by sh on a node.
NODE_SCRIPT = r"""
echo "== route"; ip route; ip -6 route; ip rule
echo "== link"; ip -o link
echo "== neighbour"; bridge fdb show dev flannel.1; ip neigh show dev flannel.1 nud permanent
for tool in iptables ip6tables iptables-legacy ip6tables-legacy; do
  echo "== $tool"; $tool-save 2>/dev/null
done
echo "== nftables"; nft list tables
echo "== file"; cd /etc/cni/net.d && md5sum * /etc/hosts /etc/resolv.conf
echo "== stopped"; ps -eo stat=,comm= | sed -n 's/^T\S* *//p'
echo "== sysctl"; cd /proc/sys/net
grep -s . ipv4/ip_forward ipv4/conf/*/forwarding ipv4/conf/*/rp_filter ipv6/conf/all/forwarding || true   # a link may just go
"""


def difference(before: Counter[str], after: Counter[str]) -> list[str]:
    """Return the lines that went, after a `-`, and those that came, after a `+`."""
    return [f"- {line}" for line in sorted((before - after).elements())] + [
        f"+ {line}" for line in sorted((after - before).elements())
    ]


def of_objects(objects: list[dict[str, Any]]) -> Iterator[str]:
    """Describe what `kubectl get KINDS -A -o json` listed; what a netdoc before has still to go is no fault's."""
    for item in objects:
        kind, meta = item["kind"], item["metadata"]
        if (meta["name"] if kind == "Namespace" else meta.get("namespace", "")).startswith("netdoc-"):
            continue
        if kind == "Pod":
            yield _pod(item, meta)
        elif kind == "EndpointSlice":
            yield from _endpoints(item, meta)
        elif kind == "ConfigMap":
            yield from _config(item, meta)
        else:
            name = f"{kind} {meta.get('namespace', '-')}/{meta['name']}"
            yield f"{name} is {'being deleted' if 'deletionTimestamp' in meta else 'there'}"
            yield from _flat(f"{name} labels", meta.get("labels", {}))
            yield from _flat(f"{name} spec", item.get("spec", {}))
            if kind == "Node":
                yield from (f"{name} {c['type']}={c['status']}" for c in item["status"].get("conditions", []))


def _pod(item: dict[str, Any], meta: dict[str, Any]) -> str:
    status = item["status"]
    ready = sum(container["ready"] for container in status.get("containerStatuses", []))
    owner = re.sub(r"-[a-z0-9]{5}$", "", meta["name"]) if "generateName" in meta else meta["name"]
    owner = owner.removesuffix("-" + meta.get("labels", {}).get("pod-template-hash", ""))
    state = "being deleted" if "deletionTimestamp" in meta else status.get("phase")
    return f"Pod {meta['namespace']}/{owner}: {state}, {ready} of {len(item['spec']['containers'])} ready"


def _endpoints(item: dict[str, Any], meta: dict[str, Any]) -> Iterator[str]:
    labels = meta.get("labels", {})
    service = f"{meta['namespace']}/{labels.get('kubernetes.io/service-name')}"
    by = labels.get("endpointslice.kubernetes.io/managed-by")
    ports = [(port.get("name"), port.get("port")) for port in item.get("ports") or []]
    for endpoint in item.get("endpoints") or []:
        yield f"Endpoint of {service} by {by} on {ports}: {endpoint.get('conditions')}"


def _config(item: dict[str, Any], meta: dict[str, Any]) -> Iterator[str]:
    if meta["name"] == "kube-root-ca.crt" or meta["namespace"] == "kube-public":
        return
    for key, text in item.get("data", {}).items():
        yield from (f"ConfigMap {meta['namespace']}/{meta['name']} {key}: {line}" for line in text.splitlines())


def _flat(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            if key != "kubectl.kubernetes.io/restartedAt":
                yield from _flat(f"{path}.{key}", inner)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _flat(f"{path}[{index}]", inner)
    elif value not in ({}, []):
        yield f"{path}={value!r}"


def of_node(name: str, output: str) -> Iterator[str]:
    """Describe what NODE_SCRIPT printed."""
    section = ""
    for line in map(str.strip, output.splitlines()):
        if line.startswith("== "):
            section = line[3:]
        elif section.startswith(("iptables", "ip6tables")):
            if rule := _rule(line):
                yield f"{name} {section}: {rule}"
        elif fact := {"route": _route, "link": _link, "nftables": _table, "sysctl": _sysctl}.get(section, str)(line):
            yield f"{name} {section}: {fact}"
    yield from sorted(
        {f"{name} kube-proxy serves {service}" for service in _SERVICE.findall(output) if not service.startswith("netdoc-")}
    )


_GENERATED = re.compile(r"KUBE-|FLANNEL|flanneld|CNI-|cali|^#|^\*|^COMMIT|^:\S+ ACCEPT")
_SERVICE = re.compile(r'-A KUBE-SERVICES .*--comment "([^"]+ cluster IP)"')


def _rule(line: str) -> str:
    return "" if _GENERATED.search(line) else re.sub(r" \[\d+:\d+\]$", "", line)


def _route(line: str) -> str:
    return "" if re.search(r"dev (cni0|veth\S*) proto kernel|dev cali[0-9a-f]+ scope link", line) else line


def _link(line: str) -> str:
    match = re.match(r"\d+: ([^:@]+)\S* <(\S*)> mtu (\d+)", line)
    if not match:
        return line
    link, flags, mtu = match[1], match[2].split(","), match[3]
    if re.match(r"veth|cali[0-9a-f]+$", link):
        return "" if "LOWER_UP" in flags else "a pod's end has no carrier"
    if link == "cni0" and "UP" in flags:
        return ""
    return f"{link} is {'up' if 'UP' in flags else 'down'}, mtu {mtu}"


def _table(line: str) -> str:
    return "" if re.fullmatch(r"table ip6? (raw|mangle|nat|filter|security)", line) else line


def _sysctl(line: str) -> str:
    return "" if re.search(r"/(cni0|(veth|cali)[^/]*)/", line) else line
