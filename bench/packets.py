# SPDX-License-Identifier: Apache-2.0
"""How often a trace names the right place and what took the packets: the faults of lab/packets.yaml, one after the other.

`NETDOC_LAB=kubeconfig python -m bench.packets [NAME...]` runs them on an idle lab with one set of debug pods. With `--mend` each
is made once more, and the line that netdoc says mends it is run.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.measurements.base import Address, Peer
from kubectl_netdoc.measurements.trace import Trace, TraceReply
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, NODE, POD, SERVICE
from kubectl_netdoc.sources.live import debug_pods, lists
from kubectl_netdoc.sources.live.client import Client, Options
from kubectl_netdoc.sources.live.trace import TraceRun
from kubectl_netdoc.tracing import rule_commands
from kubectl_netdoc.tracing.verdict import Ending, Ends, Verdict, judge

FAULTS = Path(__file__).parent.parent / "lab" / "packets.yaml"
PORT = 19376


class Place(Struct):
    """The session of debug pods on the lab, and the variables of the faults' commands."""

    run: TraceRun
    ends: Ends
    variables: dict[str, str]


def shell(node: str, line: str, variables: dict[str, str]) -> str:
    """Run a line on a node; what it complains about is for the reader."""
    assignments = [f"{name}={value}" for name, value in variables.items()]
    command = ["docker", "exec", *(word for one in assignments for word in ("-e", one)), node, "sh", "-c", line]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if done.returncode:
        print(f"    {node}: {line}: {done.stderr.strip()}", file=sys.stderr)
    return done.stdout.strip()


def in_pod(address: str, node: str) -> str:
    """Return the beginning of a line that runs in the network namespace of the pod with an address."""
    return (
        f"for p in $(ip netns list | cut -d' ' -f1); do ip netns exec $p ip -o addr | grep -q ' {address}/' && N=$p; done; "
        "ip netns exec $N "
    )


def link(node: str, address: str) -> str:
    """Return the host's end of the link of the pod with an address."""
    peer = json.loads(shell(node, in_pod(address, node) + "ip -j link show eth0", {}))[0]["link_index"]
    links = json.loads(shell(node, "ip -j link", {}))
    return next(str(one["ifname"]) for one in links if one["ifindex"] == peer)


def towards(node: str, address: str) -> tuple[str, str, str]:
    """Return the range, interface and next hop ("": none) of a node's closest route to an address."""
    routes = json.loads(shell(node, f"ip -j route show match {address}", {}))
    closest = max(routes, key=lambda route: 0 if route["dst"] == "default" else int(route["dst"].partition("/")[2] or 32))
    taken = json.loads(shell(node, f"ip -j route get {address}", {}))[0]
    return closest["dst"], taken["dev"], taken.get("gateway", "")


@contextmanager
def session_at(kubeconfig: str) -> Iterator[Place]:
    """Run debug pods on the lab until the end of the ``with``."""
    client = Client(Options(kubeconfig=kubeconfig))
    cluster = lists.read(client, (NODE, POD, SERVICE, ENDPOINT_SLICE), ())
    settings = debug_pods.PodSettings(
        image=os.environ.get("NETDOC_IMAGE", "docker.io/lab/base:1"), timeout=1500.0, tier=Tier.PRIVILEGED
    )
    cluster.vantages, cluster.tier = debug_pods.choose_nodes(cluster), Tier.PRIVILEGED
    with debug_pods.running(client, settings, cluster) as session:
        variables = _variables(cluster, session) | {"BEHIND": " ".join(sorted(behind(cluster, "shop", "web")))}
        yield Place(TraceRun(client, session, time.monotonic() + 1400), _ends(cluster, session), variables)


def _ends(cluster: Cluster, session: debug_pods.Session) -> Ends:
    nodes = {ip: pod.spec.node_name for pod in cluster.index.items(POD) for ip in pod.ips}
    nodes |= {address.address: node.name for node in cluster.index.items(NODE) for address in node.status.addresses}
    return Ends(nodes | {ip: pod.node for pod in session.pods for ip in pod.ips if not pod.host})


def _variables(cluster: Cluster, session: debug_pods.Session) -> dict[str, str]:
    control, source, target = sorted(cluster.vantages)
    ips = {a.address: node.name for node in cluster.index.items(NODE) for a in node.status.addresses if a.type == "InternalIP"}
    of_node = {name: ip for ip, name in ips.items()}
    pods = {(pod.node, pod.twin): pod.ips[0] for pod in session.pods if pod.ips and not pod.host}
    web = next(item for item in cluster.index.items(SERVICE) if (item.namespace, item.name) == ("shop", "web"))
    found = {"S": source, "T": target, "C": control, "S_IP": of_node[source], "T_IP": of_node[target], "C_IP": of_node[control]}
    found |= {"S_POD": pods[source, False], "T_POD": pods[target, False], "C_POD": pods[control, False], "PORT": str(PORT)}
    twin = next(node for node, twin in pods if twin)
    found |= {"TWIN": twin, "T2_POD": pods[twin, True], "TWIN_POD": pods[twin, False], "VIP": web.spec.cluster_ip}
    found |= {"TWIN_VETH": link(twin, pods[twin, False]), "T2_VETH": link(twin, pods[twin, True])}
    found |= {"T_VETH": link(target, pods[target, False]), "S_VETH": link(source, pods[source, False])}
    (net, up, via), (_, back, s_via) = towards(source, pods[target, False]), towards(target, pods[source, False])
    found |= {"T_NET": net, "T_VIA": via, "S_VIA": s_via, "T_UP": back, "T_DEV": towards(target, pods[target, False])[1]}
    tunnels = json.loads(shell(source, "ip -j -d link show type vxlan", {}))
    port = tunnels[0]["linkinfo"]["info_data"]["port"] if tunnels else ""
    found |= {"TUNNEL": tunnels[0]["ifname"] if tunnels else up, "VXLAN": str(port)}
    bridge = "yes" if found["T_DEV"] != found["T_VETH"] else ""
    return found | {"BRIDGE": bridge, "T_LINK": outside(target), "S_LINK": outside(source)}


def outside(node: str) -> str:
    """Return this machine's end of a node's link."""
    index = shell(node, "cat /sys/class/net/eth0/iflink", {})
    return next(path.parent.name for path in Path("/sys/class/net").glob("veth*/ifindex") if path.read_text().strip() == index)


def behind(cluster: Cluster, namespace: str, name: str) -> frozenset[str]:
    """Return the addresses of a Service's endpoints."""
    found = (item for item in cluster.index.items(ENDPOINT_SLICE) if item.namespace == namespace and item.service == name)
    return frozenset(ip for item in found for endpoint in item.endpoints for ip in endpoint.addresses)


class Recorded(Struct, frozen=True):
    """One trace of the lab as it was: what was asked, what came, what the cluster says of the ends, and where it had to end."""

    request: Trace
    reply: TraceReply
    ends: Ends
    at: str


def asked(place: Place, fault: dict[str, Any]) -> tuple[Trace, Ends]:
    """Return the trace that a fault is looked at with, and its ends."""
    v, wanted = place.variables, fault.get("to", "peer:T")
    source, ends = v[fault.get("from", "S")], place.ends
    where: Any = Peer(v[wanted.removeprefix("peer:")]) if wanted.startswith("peer:") else None
    if wanted == "same":
        source, where = v["TWIN"], Peer(v["TWIN"], twin=True)
    elif wanted == "service":
        where, ends = Address(v["VIP"], 80), Ends(ends.nodes, frozenset(v["BEHIND"].split()))
    elif wanted.startswith("node:"):
        where = Address(v["T_IP"], int(wanted[5:]))
    nodes = (v["C"], v["S"], v["T"])
    return Trace(source, where, nodes, fault.get("protocol", "UDP"), own_network=fault.get("own", False)), ends


def traced(place: Place, fault: dict[str, Any]) -> tuple[Verdict, Recorded | None, str]:
    """Trace once and return the verdict, the recording and, where there is none, why."""
    request, ends = asked(place, fault)
    reply = place.run.run(request)
    if not isinstance(reply, TraceReply):
        return Verdict(Ending.UNSEEN, 0), None, str(reply)
    v = place.variables
    places = {"source": v["S"], "target": v["T"], "": ""}
    at = v["TWIN"] if fault.get("to") == "same" else places[fault.get("at", "target")]
    return judge(request, reply, ends), Recorded(request, reply, ends, at), ""


def broken(place: Place, fault: dict[str, Any], key: str) -> None:
    """Apply or undo a fault."""
    v = place.variables
    where = fault["where"]
    if where == "outside":
        subprocess.run(["sh", "-c", " ".join(fault[key].split())], env=os.environ | v, check=True, timeout=30)
        return
    if fault.get("to") == "same":
        node = v["TWIN"]
    else:
        node = v["S"] if where.startswith("source") else v["T"]
    line = " ".join(fault[key].split())
    if where.endswith("-pod"):
        line = in_pod(v["S_POD" if where.startswith("source") else "T_POD"], node) + line
    shell(node, line, v)


class Score(Struct, frozen=True):
    """What a trace said of a fault, and how much of that was right."""

    line: str
    placed: bool = False
    right: bool = False


def tried(place: Place, fault: dict[str, Any]) -> tuple[Score, Recorded | None]:
    """Apply a fault, trace, undo it, and judge the verdict."""
    if fault.get("to") == "service":
        time.sleep(2)  # what the trace before opened may still be sending to the same Service
    if "apply" in fault:
        broken(place, fault, "apply")
    try:
        verdict, recorded, why = traced(place, fault)
    finally:
        if "undo" in fault:
            broken(place, fault, "undo")
    if recorded is None:
        return Score(f"{fault['name']}: no reply: {why}"), None
    return scored(fault, recorded, verdict), recorded


def mended(place: Place, fault: dict[str, Any]) -> str:
    """Apply a fault, trace, run the one line that mends what is named, trace again, and say whether that helped."""
    broken(place, fault, "apply")
    try:
        verdict, _, _ = traced(place, fault)
        taken = verdict.taken
        line = (taken.mend or (rule_commands.removing(taken.rule) if taken.rule else "")) if taken else ""
        if not line:
            return "nothing to run"
        shell(verdict.node, line, {})
        again, _, _ = traced(place, fault)
        return f"{'mended' if again.ending is Ending.ARRIVED else f'NOT MENDED ({again.ending})'} by {line}"
    finally:
        broken(place, fault, "undo")


def right_ones(fault: dict[str, Any], key: str, usual: str = "") -> list[str]:
    """Return the endings or takers that are right for a fault."""
    wanted = fault.get(key, usual)
    return wanted if isinstance(wanted, list) else [wanted]


def scored(fault: dict[str, Any], recorded: Recorded, verdict: Verdict) -> Score:
    """Compare a verdict with what the fault's row wants."""
    taker = str(verdict.taken.kind) if verdict.taken else ""
    ending, takers = right_ones(fault, "ending", "arrived"), right_ones(fault, "taker")
    placed = str(verdict.ending) in ending and verdict.node in ("", recorded.at)
    right = placed and taker in takers and bool(verdict.duplicated) == fault.get("copies", False)
    words = f"{verdict.ending} on {verdict.node or '-'}, {len(verdict.packets)} of {verdict.sent}, {taker}"
    detail = verdict.taken.words if verdict.taken else verdict.last.place if verdict.last else ""
    wanted = "" if right else f"; wanted: {' or '.join(ending)} on {recorded.at}, {' or '.join(takers)}"
    line = f"{'ok ' if right else 'NO '} {fault['name']}: {words}: {detail}{wanted} [{recorded.reply.seconds} s]"
    return Score(line, placed, right)


def main() -> int:
    """Run the faults, or with --healthy traces without any, and print how many were right; --record FILE keeps the replies."""
    names = sys.argv[1:]
    path = Path(names.pop(names.index("--record") + 1)) if "--record" in names else None
    kind = "healthy" if "--healthy" in names else "faults"
    names = [name for name in names if not name.startswith("--")]
    faults = [fault for fault in yaml.safe_load(FAULTS.read_text())[kind] if not names or fault["name"] in names]
    kept: dict[str, Recorded] = {}
    scores = []
    with session_at(os.environ["NETDOC_LAB"]) as place:
        has = {"vxlan": place.variables["VXLAN"], "bridge": place.variables["BRIDGE"], "": "yes"}
        for fault in (fault for fault in faults if has[fault.get("needs", "")]):
            score, recorded = tried(place, fault)
            scores.append(score)
            print(score.line, flush=True)
            if "--mend" in sys.argv and "apply" in fault:
                print(f"    {mended(place, fault)}", flush=True)
            if recorded:
                kept[fault["name"]] = recorded
    print(f"{len(scores)} {kind}: place right in {sum(s.placed for s in scores)}, taker in {sum(s.right for s in scores)}")
    if path:
        path.write_bytes(gzip.compress(msgspec.json.encode(kept), mtime=0))
    return int(not all(score.right for score in scores))


if __name__ == "__main__":
    sys.exit(main())
