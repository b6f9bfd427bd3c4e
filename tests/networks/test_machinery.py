# SPDX-License-Identifier: Apache-2.0
"""Each network as netdoc knows it, silent while healthy, and its machinery broken on purpose: one outage, one cause.

By hand, with the whole report printed: ``python -m tests.networks.test_machinery NETWORK [FAULT...]``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kubectl_netdoc.cli.selection import choose_checks
from kubectl_netdoc.core.cluster import Selection
from kubectl_netdoc.engine.run import run
from kubectl_netdoc.sources.live import debug_pods
from kubectl_netdoc.sources.live.client import Client, Options
from kubectl_netdoc.sources.live.debug_pods.lifecycle import CanaryPolicy
from kubectl_netdoc.sources.live.source import LiveSource
from lab.faults.model import FOLDER
from lab.faults.runner import Lab
from tests.e2e.conftest import IMAGE, Netdoc
from tests.support.faults import ABOVE_INFO, causes

HEALTHY_RUNS = 3
DEADLINE = 150.0
"""Seconds that a cluster is given to be as it was: an agent that was stopped may have to be restarted by the kubelet."""

SHELL = 240.0
"""Seconds for a fault's commands: an agent of Cilium's was seen to need more than 90 to start on a loaded machine."""

IDENTITY: dict[str, dict[str, str]] = {
    "nftables": {
        "network": "Flannel",
        "backend": "vxlan",
        "encapsulation": "VXLAN",
        "ipam": "host-local, from each node's podCIDRs",
        "policy_engine": "none of its own",
    },
    "calico-bgp": {
        "network": "Calico",
        "backend": "BGP",
        "encapsulation": "none",
        "ipam": "calico-ipam",
        "policy_engine": "Calico (Felix)",
    },
    "calico-vxlan": {
        "network": "Calico",
        "backend": "VXLAN routes",
        "encapsulation": "VXLAN",
        "ipam": "calico-ipam",
        "policy_engine": "Calico (Felix)",
    },
    "canal": {
        "network": "Canal",
        "backend": "vxlan",
        "encapsulation": "VXLAN",
        "ipam": "host-local, from each node's podCIDRs",
        "policy_engine": "Calico (Felix)",
    },
    "cilium": {
        "network": "Cilium",
        "backend": "tunnel",
        "encapsulation": "VXLAN",
        "ipam": "kubernetes",
        "services": "left to kube-proxy",
        "policy_engine": "Cilium",
    },
}
"""What CNI010 has to say of each network."""


@dataclass(frozen=True)
class Break:
    """A fault in the words of lab/faults/lib.sh: what makes it, what undoes it, and the codes of its causes."""

    name: str
    causes: frozenset[str]
    inject: str
    restore: str
    flags: tuple[str, ...] = ("--node-checks",)
    wait: float = 3.0
    """Seconds for it to take effect."""


def of(name: str, cause: str, inject: str, restore: str, *flags: str, wait: float = 3.0) -> Break:
    """Make a fault; ``cause``: codes with spaces between."""
    return Break(name, frozenset(cause.split()), inject, restore, flags or ("--node-checks",), wait)


AGENT = "agent() { kubectl -n kube-system get pods -l k8s-app=calico-node -o name --field-selector spec.nodeName=$1; }\n"
SIGNAL = "on $WORKER pkill -{} -f '{}'"
DOUBLED = """on $WORKER sh -c 'cat >/etc/cni/net.d/00-old.conflist' <<'END'
{"name": "old", "cniVersion": "0.3.1", "plugins": [{"type": "bridge", "bridge": "oldbr0", "isGateway": true, "ipMasq": true,
  "ipam": {"type": "host-local", "subnet": "10.99.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}}]}
END"""
SINGLE = """on $WORKER rm -f /etc/cni/net.d/00-old.conflist; sleep 3
on $WORKER sh -c 'rm -rf /var/lib/cni/networks/old; ip link del oldbr0 2>/dev/null || true'"""
CNI_DOUBLED = of("CNI configuration doubled", "CNF001", DOUBLED, SINGLE, "--privileged")
# proto kernel: what somebody puts in by hand otherwise, BIRD learns and tells to the other nodes.
PEER_BLOCK = "block() { on $WORKER ip route | grep -v blackhole | awk -v to=$(node_ip $WORKER2) '$3 == to {print $1; exit}'; }\n"
PEER_DROPPED = of(
    "a blackhole for a peer's own address",
    "NRT002",
    "on $WORKER ip route add blackhole $(node_ip $WORKER2)",
    "on $WORKER ip route del blackhole $(node_ip $WORKER2)",
)
FELIX = "calico-node -felix"
EVERYTHING = "^calico-node|^bird "
ENGINES = {"calico-bgp": FELIX, "calico-vxlan": FELIX, "canal": FELIX, "cilium": "^cilium-agent"}
"""What enforces policies, as pkill finds it."""

FELIX_GONE = of(
    "Felix stopped on a node",
    "PNW015",
    SIGNAL.format("STOP", FELIX),
    SIGNAL.format("CONT", FELIX),
)

AGAIN = """on $WORKER pkill -CONT -x kube-proxy || true
kubectl -n kube-system delete pod -l k8s-app=kube-proxy --field-selector spec.nodeName=$WORKER
rolled_out kube-system ds/kube-proxy"""
HUNG = "on $WORKER pkill -STOP -x kube-proxy\n"
PROXY_MODE = "kubectl -n kube-system get configmap kube-proxy -o yaml | sed 's/^\\( *mode:\\).*/\\1 {}/' | kubectl replace -f -"
TUNNEL_UP = """on $WORKER ip link set flannel.1 up
for node in $CONTROL_PLANE $WORKER2; do
  on $WORKER ip route replace $(pod_range $node) via $(tunnel_end $node) dev flannel.1 onlink
  on $WORKER ip neigh replace $(tunnel_end $node) lladdr $(tunnel_mac $node) dev flannel.1 nud permanent
  on $WORKER bridge fdb replace $(tunnel_mac $node) dev flannel.1 dst $(node_ip $node) self permanent
done"""
WEB_CHAIN = "chain=$(on $WORKER nft list chains ip | grep -o 'service-[^ ]*-shop/web/tcp/http')\n"
ANEW = "on $WORKER nft delete table ip kube-proxy; " + AGAIN  # up to 1.35 it does not fill a chain that is there
KEEP_OFF = """kubectl -n kube-system patch ds kube-proxy --type json -p '[{"op": "add", "path": "/spec/template/spec/affinity", "value":
  {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions":
  [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["'$WORKER'"]}]}]}}}}]'
rolled_out kube-system ds/kube-proxy
"""
LET_ON = """kubectl -n kube-system patch ds kube-proxy --type json -p '[{"op": "remove", "path": "/spec/template/spec/affinity"}]'
rolled_out kube-system ds/kube-proxy"""
DROP = "for node in $WORKER; do on $node iptables -{} {} -p udp --dport {} -j DROP; done"
NFT = "on $WORKER nft "
LINK_MTU = "on $WORKER ip link set eth0 mtu 1400\n"


def tunnel_mtu(mtu: int) -> str:
    """Wait until Felix has seen it (every 30 s) and has set its tunnel's."""
    return f"timeout 60 docker exec $WORKER sh -c 'until grep -qx {mtu} /sys/class/net/vxlan.calico/mtu; do sleep 1; done'"


# Felix that starts while the file that it has written says less keeps to that.
LINK_MTU_BACK = f"""on $WORKER ip link set eth0 mtu 1500
on $WORKER pkill -TERM -f '{FELIX}'
{tunnel_mtu(1450)}"""
CALICO_FDB = """mac() { on $1 cat /sys/class/net/vxlan.calico/address; }
"""
CILIUM = """agent() { kubectl -n kube-system get pods -l k8s-app=cilium -o name --field-selector spec.nodeName=$1; }
config() { kubectl -n kube-system patch configmap cilium-config --type merge -p "{\\"data\\": {\\"$1\\": \\"$2\\"}}"; }
again() { kubectl -n kube-system delete $(agent $1) --wait=true --grace-period=1; }
"""
CILIUM_KEEP_OFF = KEEP_OFF.replace("ds kube-proxy", "ds cilium").replace("ds/kube-proxy", "ds/cilium")
CILIUM_LET_ON = LET_ON.replace("ds kube-proxy", "ds cilium").replace("ds/kube-proxy", "ds/cilium")
CANAL_KEEP_OFF = KEEP_OFF.replace("ds kube-proxy", "ds canal").replace("ds/kube-proxy", "ds/canal")
CANAL_LET_ON = LET_ON.replace("ds kube-proxy", "ds canal").replace("ds/kube-proxy", "ds/canal")
FLUSHED = """on $WORKER sh -c 'iptables-save | grep -v KUBE- | iptables-restore'
"""

FAULTS: dict[str, tuple[Break, ...]] = {
    "calico-bgp": (
        of(
            "BGP disabled on a node",
            "NRT001",
            AGENT + "kubectl -n kube-system exec $(agent $WORKER) -- birdcl -s /var/run/calico/bird.ctl disable all",
            AGENT + "kubectl -n kube-system exec $(agent $WORKER) -- birdcl -s /var/run/calico/bird.ctl enable all",
        ),
        of(
            "the agent hangs on a node, just now",
            "PNW015",
            SIGNAL.format("STOP", EVERYTHING),
            SIGNAL.format("CONT", EVERYTHING),
        ),
        of(
            "a blackhole for a peer's block",
            "NRT002",
            PEER_BLOCK + "block >$STATE/block; on $WORKER ip route replace blackhole $(cat $STATE/block) proto kernel",
            "on $WORKER ip route replace $(cat $STATE/block) via $(node_ip $WORKER2) dev eth0 proto bird",
        ),
        of(
            "a peer's block led elsewhere",
            "NRT003",
            PEER_BLOCK
            + "block >$STATE/block; on $WORKER ip route replace $(cat $STATE/block) via 172.18.255.250 dev eth0 proto kernel",
            "on $WORKER ip route replace $(cat $STATE/block) via $(node_ip $WORKER2) dev eth0 proto bird",
        ),
        of(
            "MTU of a node's own link is 1400",
            "MTU001",
            "on $WORKER ip link set eth0 mtu 1400",
            "on $WORKER ip link set eth0 mtu 1500; sleep 10; on $WORKER sh -c 'printf 1500 >/var/lib/calico/mtu'",
            wait=25,
        ),
        CNI_DOUBLED,
        FELIX_GONE,
    ),
    "nftables": (
        of("another mode is set, and nothing restarted", "KPX004", PROXY_MODE.format("iptables"), PROXY_MODE.format("nftables")),
        of("kube-proxy hangs and its table is gone", "SVR001", HUNG + NFT + "delete table ip kube-proxy", AGAIN),
        of("no kube-proxy on a node, its table is gone", "KPP001", KEEP_OFF + NFT + "delete table ip kube-proxy", LET_ON),
        of(
            "kube-proxy hangs while endpoints change",
            "SVR002",
            HUNG + "kubectl -n shop delete pod $(web_pod $WORKER2); rolled_out shop deploy/web",
            AGAIN,
            "--privileged",
            wait=62,
        ),
        of(
            "kube-proxy hangs and its table is gone, privileged",
            "SVR001",
            HUNG + NFT + "delete table ip kube-proxy",
            AGAIN,
            "--privileged",
        ),
        of(
            "the chain of a Service is flushed",
            "SRL002",
            WEB_CHAIN + NFT + "flush chain ip kube-proxy $chain",
            ANEW,
            "--privileged",
        ),
        of("the chain of all Services is flushed", "SVR001", NFT + "flush chain ip kube-proxy services", ANEW, "--privileged"),
        of("nothing leads to the rules", "SRL007", NFT + "flush chain ip kube-proxy nat-prerouting", ANEW, "--privileged"),
        of(
            "an endpoint is missing",
            "SRL006",
            WEB_CHAIN
            + """to=$(pod_ip $(web_pod $WORKER2))
            on $WORKER nft list table ip kube-proxy | awk -v to=$to:8080 '/chain endpoint-/ {c = $2} $0 ~ "dnat to " to {print c}' >$STATE/chains
            if [ -s $STATE/chains ]; then  # up to 1.35
              while read -r each; do on $WORKER nft flush chain ip kube-proxy "$each" </dev/null; done <$STATE/chains
            else
              set -- $(on $WORKER nft list chain ip kube-proxy $chain | grep -o '[0-9.]* [.] 8080' | grep -v "^$to " | cut -d' ' -f1)
              on $WORKER nft flush chain ip kube-proxy $chain
              on $WORKER nft add rule ip kube-proxy $chain meta l4proto tcp dnat ip addr . port to numgen random mod 2 map "{ 0 : $1 . 8080, 1 : $2 . 8080 }"
            fi""",
            ANEW,
            "--privileged",
        ),
        of(
            "a table of somebody's own translates a Service first",
            "TRC009",
            """on $WORKER nft add table ip before
            on $WORKER nft add chain ip before first '{ type nat hook prerouting priority -150; }'
            on $WORKER nft add rule ip before first ip daddr $(service_ip web) tcp dport 80 dnat to 10.244.250.9""",
            NFT + "delete table ip before",
            "--privileged",
        ),
        of(
            "the overlay's port is dropped on a node",
            "PNW002",
            DROP.format("I", "INPUT", 8472),
            DROP.format("D", "INPUT", 8472),
        ),
        of("the tunnel is down on a node", "NLK001", "on $WORKER ip link set flannel.1 down", TUNNEL_UP),
        CNI_DOUBLED,
    ),
    "calico-vxlan": (
        of(
            "a forwarding entry leads elsewhere",
            "NRT005",
            CALICO_FDB + "on $WORKER bridge fdb replace $(mac $WORKER2) dev vxlan.calico dst 172.18.255.250 self permanent",
            CALICO_FDB + "on $WORKER bridge fdb replace $(mac $WORKER2) dev vxlan.calico dst $(node_ip $WORKER2) self permanent",
        ),
        of(
            "a neighbour entry is gone",
            "NRT004",
            CALICO_FDB
            + "on $WORKER ip neigh show dev vxlan.calico | awk -v mac=$(mac $WORKER2) '$3 == mac {print $1}' >$STATE/ip\n"
            "on $WORKER ip neigh del $(cat $STATE/ip) dev vxlan.calico",
            CALICO_FDB + "on $WORKER ip neigh replace $(cat $STATE/ip) lladdr $(mac $WORKER2) dev vxlan.calico nud permanent",
        ),
        # Not in a chain of iptables: Felix sees that its own rules are not the first any more, and puts them there again.
        of(
            "UDP 4789 is dropped on a node",
            "PNW002",
            NFT + "-f - <<<'table inet lost { chain in { type filter hook prerouting priority -450; udp dport 4789 drop; }; }'",
            NFT + "delete table inet lost",
        ),
        of(
            "the tunnel is down on a node, and its agent hangs",
            "NLK001 PNW015",
            SIGNAL.format("STOP", FELIX) + "; on $WORKER ip link set vxlan.calico down",
            "on $WORKER ip link set vxlan.calico up; " + SIGNAL.format("CONT", FELIX),
        ),
        of(
            "the agent hangs on a node, just now",
            "PNW015",
            SIGNAL.format("STOP", EVERYTHING),
            SIGNAL.format("CONT", EVERYTHING),
        ),
        of("MTU of a node's own link is 1400, just now", "NLK005", LINK_MTU, LINK_MTU_BACK),
        of("MTU of a node's own link is 1400, and Felix has followed", "MTU001", LINK_MTU + tunnel_mtu(1350), LINK_MTU_BACK),
        CNI_DOUBLED,
    ),
    "canal": (
        of(
            "the agents hang on a node, just now",
            "PNW015",
            SIGNAL.format("STOP", "^calico-node|^/opt/bin/flanneld"),
            SIGNAL.format("CONT", "^calico-node|^/opt/bin/flanneld"),
        ),
        FELIX_GONE,
        of("the tunnel is down on a node", "NLK001", "on $WORKER ip link set flannel.1 down", TUNNEL_UP),
        of(
            "a forwarding entry leads elsewhere",
            "NRT005",
            "on $WORKER bridge fdb replace $(tunnel_mac $WORKER2) dev flannel.1 dst 172.18.255.250 self permanent",
            "on $WORKER bridge fdb replace $(tunnel_mac $WORKER2) dev flannel.1 dst $(node_ip $WORKER2) self permanent",
        ),
        of(
            "the overlay's port is dropped on a node",
            "PNW002",
            DROP.format("I", "INPUT", 8472),
            DROP.format("D", "INPUT", 8472),
        ),
        of(
            "MTU of a node's own link is 1400",
            "NLK005",
            "on $WORKER ip link set eth0 mtu 1400",
            "on $WORKER ip link set eth0 mtu 1500",
        ),
        PEER_DROPPED,
        CNI_DOUBLED,
        of("no agent on a node", "CNI001", CANAL_KEEP_OFF, CANAL_LET_ON),
        # Calico's CNI plugin asks the API server by its Service: no new pod starts there, so nothing is measured.
        of("no kube-proxy on a node, its rules are gone", "KPP002", KEEP_OFF + FLUSHED, LET_ON),
    ),
    "cilium": (
        of(
            "the agent hangs on a node, just now",
            "POD003",
            SIGNAL.format("STOP", "^cilium-agent"),
            SIGNAL.format("CONT", "^cilium-agent"),
        ),
        of(
            "the agent hangs on a node for some minutes",
            "CNI004",
            SIGNAL.format("STOP", "^cilium-agent"),
            SIGNAL.format("CONT", "^cilium-agent"),
            wait=160,
        ),
        of(
            "the tunnel is down on a node",
            "NLK001",
            "on $WORKER ip link set cilium_vxlan down",
            "on $WORKER ip link set cilium_vxlan up",
        ),
        of(
            "UDP 8472 is dropped on a node",
            "PNW002",
            DROP.format("I", "INPUT", 8472),
            DROP.format("D", "INPUT", 8472),
        ),
        PEER_DROPPED,
        of(
            "MTU of a node's own link is 1400",
            "NLK005",
            "on $WORKER ip link set eth0 mtu 1400",
            "on $WORKER ip link set eth0 mtu 1500",
        ),
        of(
            "CNI configuration doubled",
            "CNF001",
            CILIUM + "config cni-exclusive false; again $WORKER; rolled_out kube-system ds/cilium; sleep 5\n" + DOUBLED,
            SINGLE + "\n" + CILIUM + "config cni-exclusive true; again $WORKER; rolled_out kube-system ds/cilium",
            "--privileged",
        ),
        of("no agent on a node", "CNI001", CILIUM_KEEP_OFF, CILIUM_LET_ON),
        of(
            "a setting that the agent refuses, met by one that was started again",
            "CNI002",
            CILIUM + "config tunnel-protocol vxlann; again $WORKER; sleep 45",
            CILIUM + "config tunnel-protocol vxlan; again $WORKER; rolled_out kube-system ds/cilium",
        ),
        of("no kube-proxy on a node, its rules are gone", "KPP002", KEEP_OFF + FLUSHED, LET_ON),
    ),
}
"""At least six for each network."""


def shell(lab: Lab, state: Path, script: str) -> None:
    """Run a fault's commands."""
    environment = {
        **os.environ,
        "KUBECONFIG": str(lab.kubeconfig),
        "LAB_NAME": lab.name,
        "FAULTS": str(FOLDER),
        "STATE": str(state),
    }
    environment["PATH"] = f"{lab.kubeconfig.parent / 'bin'}:{environment['PATH']}"
    script = f". {FOLDER / 'lib.sh'}\n{script}"
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=SHELL)
    assert done.returncode == 0, f"{script}\n{done.stderr}"


@contextmanager
def broken(lab: Lab, state: Path, fault: Break) -> Iterator[None]:
    """Have the fault inside the ``with``; it is always undone."""
    try:
        shell(lab, state, fault.inject)
        time.sleep(fault.wait)
        yield
    finally:
        shell(lab, state, fault.restore)


def above(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Code, node or name, and what is said, of each finding above info."""
    return [(f["code"], f["subject"]["name"], f["message"]) for f in report["findings"] if f["severity"] in ABOVE_INFO]


def silent(netdoc: Netdoc, *flags: str) -> list[tuple[str, str, str]]:
    """What is still said when a cluster has had its time to be well again; nothing is what there should be."""
    deadline = time.monotonic() + DEADLINE
    while (left := above(netdoc.report(*flags))) and time.monotonic() < deadline:
        time.sleep(5)
    return left


@pytest.fixture(autouse=True)
def known(network: str) -> None:
    if network not in IDENTITY:
        pytest.skip("a network of test_policies.py")


@pytest.fixture(scope="module")
def grown(lab: Lab) -> None:
    """A node that has just joined is not judged."""
    lab.grow()


def test_the_network_is_known(netdoc: Netdoc, network: str) -> None:
    report = netdoc.report("cni_health", "kube_proxy_mode", "--show", "info")
    evidence = next(f["evidence"] for f in report["findings"] if f["code"] == "CNI010")
    assert {key: evidence[key] for key in IDENTITY[network]} == IDENTITY[network]
    assert (evidence["ready"], evidence["agents"]) == (3, 3)


@pytest.mark.usefixtures("grown")
def test_the_mode_of_kube_proxy_is_what_it_says_not_what_is_set(lab: Lab, netdoc: Netdoc, network: str, tmp_path: Path) -> None:
    if network != "nftables":
        pytest.skip("kube-proxy is in its default mode")
    asked = ("kube_proxy_mode", "--node-checks", "--show", "info")
    unasked = netdoc.report("kube_proxy_mode", "--show", "info")["results"][0]["unseen"]
    assert [u["reason"] for u in unasked if "nftables, as set in ConfigMap kube-system/kube-proxy" in u["reason"]]
    assert netdoc.report(*asked)["results"][0]["unseen"] == []
    with broken(lab, tmp_path, next(fault for fault in FAULTS[network] if fault.causes == {"KPX004"})):
        report = netdoc.report(*asked)
    said = [
        (f["code"], f["evidence"]["configured"], f["evidence"]["effective"], len(f["evidence"]["nodes"]))
        for f in report["findings"]
    ]
    assert said == [("KPX004", "iptables", ["nftables"], 3)]


def test_a_healthy_cluster_is_silent(netdoc: Netdoc) -> None:
    for _ in range(HEALTHY_RUNS):
        report = netdoc.report("--privileged")
        assert above(report) == []
        assert [r["check"] for r in report["results"] if r["state"] not in ("pass", "skipped")] == []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each fault of the network that there is."""
    if "fault" in metafunc.fixturenames:
        faults = FAULTS.get(os.environ.get("NETDOC_NETWORK", ""), ())
        metafunc.parametrize("fault", faults, ids=[fault.name for fault in faults])


@pytest.mark.usefixtures("grown")
def test_a_fault_has_one_cause_and_leaves_nothing(lab: Lab, netdoc: Netdoc, tmp_path: Path, fault: Break) -> None:
    with broken(lab, tmp_path, fault):
        report = netdoc.report(*fault.flags)
    left = silent(netdoc, *fault.flags)
    assert causes(report) == fault.causes, above(report)
    assert left == []


def test_the_canary_names_the_node_whose_engine_stops(lab: Lab, network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine stops when the canaries are up: pods that are made without it have no network, which is PNW015 or POD003."""
    if network not in ENGINES:
        pytest.skip("flannel has no policy engine")
    assert _canary(lab, monkeypatch) == [("ENF002", f"Node {lab.name}-worker")]


def _canary(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    create, engine = CanaryPolicy.create, ENGINES[lab.name]

    def send(signal: str) -> None:
        subprocess.run(["docker", "exec", f"{lab.name}-worker", "pkill", f"-{signal}", "-f", engine], check=True, timeout=30)

    def stop_and_create(policy: CanaryPolicy) -> None:
        send("STOP")
        create(policy)

    monkeypatch.setattr(CanaryPolicy, "create", stop_and_create)
    known, checks = choose_checks(("policy_enforcement",), (), ())
    source = LiveSource(Client(Options(kubeconfig=str(lab.kubeconfig))), (), debug_pods.PodSettings(image=IMAGE))
    try:
        report = run(source, known, checks, selection=Selection(checks=("policy_enforcement",))).report
    finally:
        send("CONT")
    return [(f.code, str(f.subject)) for f in report.findings if f.severity in ABOVE_INFO]  # a loaded node may be late: advice


def test_there_are_enough_faults() -> None:
    assert {network for network, faults in FAULTS.items() if len(faults) < 6} == set()


def _by_hand(network: str, *names: str) -> None:
    lab = Lab(Path.home() / f".cache/kubectl-netdoc/lab/{network}.kubeconfig", network)
    netdoc, state = Netdoc(lab), Path("/tmp/machinery", network)
    state.mkdir(exist_ok=True, parents=True)
    for fault in FAULTS[network]:
        if names and not any(name in fault.name for name in names):
            continue
        with broken(lab, state, fault):
            report = netdoc.report(*fault.flags)
        Path(state, "report.json").write_text(json.dumps(report))
        begun = time.monotonic()
        left = silent(netdoc, *fault.flags)
        took = time.monotonic() - begun
        found = causes(report)
        print(f"=== {fault.name}: {'RIGHT' if found == fault.causes else f'WRONG {sorted(found)}, not {sorted(fault.causes)}'}; "
              f"{report.get('seconds', '')}; silent after {took:.0f} s: {not left} {left or ''}")  # fmt: skip
        for f in report["findings"]:
            if f["severity"] in ABOVE_INFO:
                cause = f["explained_by"]
                print(
                    f"  {'   under ' + str(cause) if cause else f['severity']} {f['code']} {f['subject']['name']}: {f['message'][:420]}"
                )
                if not cause:
                    print("      fix:", f["fix"][:300], "|", f.get("commands"))
        for r in report["results"]:
            if r["state"] not in ("pass", "skipped"):
                print(
                    "  ",
                    r["state"],
                    r["check"],
                    [u["what"] + ": " + u["reason"] for u in r["unseen"]][:3]
                    if "what" in (r["unseen"] or [{}])[0]
                    else r["unseen"][:3],
                )
        sys.stdout.flush()


if __name__ == "__main__":
    _by_hand(*sys.argv[1:])
