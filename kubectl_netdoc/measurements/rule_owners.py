# SPDX-License-Identifier: Apache-2.0
"""Whose the rules on nodes are: kube-proxy's, networks', runtimes'. What is left belongs to nobody known."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.measurements.trace import Queue, Rule


class Owner(Struct, frozen=True):
    """Who makes chains whose table and name begin with this. ``source``: where it is said.

    ``backend``: ``""`` for packet filters. ``tc``: filters on interfaces whose name begins with ``table``, with an eBPF program
    or a redirection to an interface whose name begins with ``chain``. ``queue``: queueing disciplines of a kind.
    ``set``: sets of ipset and nftables, whose members are their owner's business.
    """

    name: str
    table: str
    chain: str
    source: str
    backend: str = ""


OWNERS = (
    Owner(
        "kube-proxy and kubelet",
        "",
        "KUBE-",
        "kubernetes, pkg/proxy/iptables/proxier.go and pkg/kubelet/kubelet_network_linux.go",
    ),
    Owner("kube-proxy in nftables mode", "kube-proxy", "", "kubernetes, pkg/proxy/nftables/proxier.go"),
    Owner("CNI plugins", "", "CNI-", "containernetworking/plugins, plugins/meta/portmap and pkg/ip/ipmasq_linux.go"),
    Owner(
        "CNI plugins by nftables",
        "cni_",
        "",
        "containernetworking/plugins, pkg/ip/ipmasq_nftables_linux.go, plugins/meta/portmap",
    ),
    Owner("flannel", "", "FLANNEL-", "flannel-io/flannel, pkg/trafficmngr/iptables"),
    Owner("flannel by nftables", "flannel-", "", "flannel-io/flannel, pkg/trafficmngr/nftables"),
    Owner("Calico", "", "cali-", "projectcalico/calico, felix/rules/rule_defs.go"),
    Owner("Calico by nftables", "calico", "", "projectcalico/calico, felix/nftables/table.go"),
    Owner("Cilium", "", "CILIUM_", "cilium/cilium, pkg/datapath/iptables/iptables.go"),
    Owner("Cilium, before a restart", "", "OLD_CILIUM_", "cilium/cilium, pkg/datapath/iptables/iptables.go"),
    Owner("Antrea", "", "ANTREA-", "antrea-io/antrea, pkg/agent/route/route_linux.go"),
    Owner("Weave Net", "", "WEAVE", "weaveworks/weave, npc/constants.go and net/bridge.go"),
    Owner("AWS VPC CNI", "", "AWS-", "aws/amazon-vpc-cni-k8s, pkg/networkutils/network.go"),
    Owner("ip-masq-agent", "", "IP-MASQ", "kubernetes-sigs/ip-masq-agent, cmd/ip-masq-agent"),
    Owner("kindnet", "", "KIND-", "kubernetes-sigs/kind, images/kindnetd/cmd/kindnetd/masq.go"),
    Owner("kindnet by nftables", "kindnet", "", "kubernetes-sigs/kindnet; not tried"),
    Owner("OVN-Kubernetes", "", "OVN-KUBE-", "ovn-kubernetes, go-controller/pkg/node/gateway_iptables.go"),
    Owner("OVN-Kubernetes by nftables", "ovn-kubernetes", "", "ovn-kubernetes, go-controller/pkg/node/nftables"),
    Owner("Istio", "", "ISTIO_", "istio/istio, tools/istio-iptables"),
    Owner("Docker", "", "DOCKER", "moby/moby, libnetwork/drivers/bridge/setup_ip_tables_linux.go"),
    Owner("Netavark", "", "NETAVARK", "containers/netavark, src/firewall"),
    Owner("Netavark by nftables", "netavark", "", "containers/netavark, src/firewall/nft.rs"),
    Owner("libvirt", "", "LIBVIRT_", "libvirt, src/network/network_iptables.c"),
    Owner("firewalld", "firewalld", "", "firewalld, src/firewall/core/nftables.py"),
    Owner("ufw", "", "ufw", "ufw, src/backend_iptables.py"),
    Owner("Tailscale", "", "ts-", "tailscale/tailscale, util/linuxfw"),
    Owner("Cilium", "", "cil_", "cilium/cilium, pkg/datapath/loader/tc.go: hasCiliumTCFilters", "tc"),
    Owner("Cilium 1.13", "", "cilium-", "cilium/cilium, pkg/datapath/loader/netlink.go: cilium-<device> in 1.13", "tc"),
    *(
        Owner("Cilium before 1.13", "", name, "the same: named e.g. bpf_host.o:[to-host] before 1.13", "tc")
        for name in ("bpf_host", "bpf_lxc", "bpf_overlay", "bpf_netdev")
    ),
    Owner("Calico eBPF", "", "cali_tc_", "projectcalico/calico, felix/bpf/tc/attach.go: cali_tc_preamble", "tc"),
    Owner("Calico eBPF, older", "", "calico_", "projectcalico/calico, felix/bpf/tc/attach.go: listAttachedPrograms", "tc"),
    Owner("Calico's bandwidth limits", "", "bwcali", "projectcalico/calico, felix/dataplane/linux/qos/qos.go", "tc"),
    Owner("CNI plugin bandwidth", "", "bwp", "containernetworking/plugins, plugins/meta/bandwidth/main.go", "tc"),
    Owner("CNI plugin bandwidth", "", "tbf", "containernetworking/plugins, plugins/meta/bandwidth/ifb_creator.go", "queue"),
    Owner("kube-proxy in ipvs mode, kube-router", "", "KUBE-", "kubernetes, pkg/proxy/ipvs/ipset.go; kube-router", "set"),
    Owner("kube-router", "", "kube-router-", "cloudnativelabs/kube-router, pkg/controllers/proxy", "set"),
    Owner("kube-router, IPv6", "", "inet6:", "cloudnativelabs/kube-router, pkg/utils/ipset.go", "set"),
    Owner("Calico", "", "cali", "projectcalico/calico, felix/ipsets/ipset_defs.go: IPSetNamePrefix", "set"),
    Owner("Antrea", "", "ANTREA-", "antrea-io/antrea, pkg/agent/route/route_linux.go: antreaPodIPSet", "set"),
    Owner("AWS network policy agent", "eni", "handle_", "aws/aws-network-policy-agent: TC_INGRESS_PROG, TC_EGRESS_PROG", "tc"),
)
"""Rules that belong to what runs on nodes of clusters on purpose."""

PATTERNS = tuple((owner.backend, owner.table, owner.chain) for owner in OWNERS)


def owned(backend: str, table: str, chain: str) -> bool:
    """Tell whether a chain, or a filter by its program or the interface that it leads to, is some known owner's."""
    kind = "" if backend in ("nft", "legacy") else backend
    return any(kind == of and table.startswith(start) and chain.startswith(prefix) for of, start, prefix in PATTERNS)


def foreign(rule: Rule) -> bool:
    """Tell whether a rule belongs to nobody known: neither its chain, nor the one that it leads to, nor an open policy.

    The agent has left out the filters of known owners.
    """
    if owned(rule.backend, rule.table, rule.chain) or (rule.handle == "policy" and rule.verdict == "accept"):
        return False
    words = rule.text.split()
    return not (rule.verdict in ("jump", "goto") and owned(rule.backend, rule.table, words[-1] if words else ""))


def foreign_queue(queue: Queue) -> bool:
    """Tell whether a queueing discipline belongs to nobody known: owners give links one as their root."""
    return not (queue.place == "root" and owned("queue", queue.dev, queue.kind))
