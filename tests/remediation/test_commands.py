# SPDX-License-Identifier: Apache-2.0
"""What a printed command does when it is pasted."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_netdoc.remediation.commands import Risk, argv, bare, changes, on_node, risk, shell_word

RISKS = [
    ("kubectl get nodes -o wide", None),
    ("kubectl -n shop describe pod web-1", None),
    ("kubectl -n kube-system logs -l k8s-app=kube-dns --tail=20 | grep -i -A12 panic", None),
    ("kubectl -n kube-system rollout status daemonset kube-proxy", None),
    ("kubectl -n kube-system exec calico-1 -c calico-node -- birdcl -s /var/run/calico/bird.ctl show protocols", None),
    ("kubectl -n shop exec web-1 -- cat /proc/net/tcp", None),
    ("kubectl get --raw /api/v1/nodes/n1/proxy/configz", None),
    (on_node("n1", "ss -tan state time-wait | awk '{print $4}' | sort"), None),
    (on_node("n1", "ss -K dst 10.0.0.1"), Risk.NODE),
    (on_node("n1", "iptables-legacy -t nat -S KUBE-SERVICES"), None),
    (on_node("n1", "cat /etc/cni/net.d/10-flannel.conflist"), None),
    (on_node("n1", "mv /etc/cni/net.d/00-old.conflist /root/"), Risk.NODE),
    (on_node("n1", "ip route replace 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink"), Risk.NODE),
    (on_node("n1", "modprobe br_netfilter; sysctl -w net.bridge.bridge-nf-call-iptables=1"), Risk.NODE),
    (on_node("n1", "sysctl net.netfilter.nf_conntrack_tcp_loose net.ipv4.ip_forward"), None),
    (on_node("n1", "sysctl -n net.ipv4.ip_forward"), None),
    (on_node("n1", "sysctl net.ipv4.ip_forward=1"), Risk.NODE),
    (on_node("n1", "sysctl --system"), Risk.NODE),
    (on_node("n1", "sysctl -p"), Risk.NODE),
    (on_node("n1", "journalctl --since=-1h -u systemd-networkd"), None),
    (on_node("n1", "journalctl --vacuum-time=1h"), Risk.NODE),
    ("kubectl -n shop expose deployment web --name=web --port=80", Risk.SAFE),
    ("kubectl -n kube-system scale deploy/coredns --current-replicas=1 --replicas=2", Risk.SAFE),
    ("kubectl -n kube-system scale deploy/coredns --replicas=2", Risk.RESTARTS),
    ("kubectl -n kube-system scale deploy/coredns --current-replicas=2 --replicas=0", Risk.RESTARTS),
    ("kubectl -n shop patch deployment web -p '{}'", Risk.RESTARTS),
    ("kubectl -n shop patch services web -p '{}'", Risk.SAFE),
    ("kubectl -n shop edit ingresses.networking.k8s.io web", Risk.SAFE),
    ("kubectl -n shop delete service web", Risk.DESTROYS),
    ("kubectl -n shop delete statefulset db", Risk.DESTROYS),
    ("kubectl delete namespace shop", Risk.DESTROYS),
    ("kubectl delete nodes n1", Risk.DESTROYS),
    ("kubectl label namespace shop a=b", Risk.POLICY),
    ("kubectl -n shop edit ciliumnetworkpolicies.cilium.io deny", Risk.POLICY),
    ("kubectl apply -f -", Risk.POLICY),
    ("kubectl -n shop cp web-1:/etc/hosts .", Risk.DESTROYS),
    ("kubectl -n shop rollout pause deploy/web", Risk.DESTROYS),
    ("kubectl -n shop patch service web --type merge -p '{\"spec\": {}}'", Risk.SAFE),
    ("kubectl -n shop delete endpointslice web-x", Risk.SAFE),
    ("kubectl -n kube-system get configmap coredns -o yaml | sed s/a/b/ | kubectl replace -f -", Risk.RESTARTS),
    ("kubectl -n kube-system rollout restart deploy/coredns", Risk.RESTARTS),
    ("kubectl -n kube-system delete pod -l k8s-app=kube-proxy --field-selector spec.nodeName=n1", Risk.RESTARTS),
    ("kubectl -n shop patch networkpolicy deny --type json -p '[]'", Risk.POLICY),
    (on_node("n1", "sed -i s/a/b/ /etc/resolv.conf"), Risk.NODE),
    (on_node("n1", "tee /proc/sys/net/ipv4/ip_forward"), Risk.NODE),
    (on_node("n1", "reboot list"), Risk.NODE),
    (on_node("n1", "ip route del default show"), Risk.NODE),
    ("kubectl cordon n1", Risk.NODE),
    ("kubectl annotate node n1 a=b", Risk.NODE),
    ("kubectl get pods -o name | xargs kubectl delete", Risk.NODE),
    ("rm -rf /", Risk.NODE),
]


SCRIPTS = [
    "printf '%s|' 'a b c' \"d\"",
    "printf '%s|' 'a|b' ';' \"|\" \\;",
    "printf '%s|' a | tr a b",
    "true && printf x; printf y",
]


@pytest.mark.parametrize(("command", "expected"), RISKS)
def test_a_command_is_known_by_what_it_may_disturb(command: str, expected: Risk | None) -> None:
    assert (risk(command), changes(command)) == (expected, expected is not None)


@pytest.mark.parametrize("command", SCRIPTS)
def test_an_argument_list_does_what_the_shell_does(command: str) -> None:
    by_shell = subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout
    assert subprocess.run(argv(command), capture_output=True, check=True).stdout == by_shell


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])))
def test_a_quoted_name_is_one_argument_and_safe_to_paste(name: str) -> None:
    command = f"kubectl describe node {shlex.quote(name)}"
    assert argv(command) == ("kubectl", "describe", "node", name)
    assert bare(command) == ""


@pytest.mark.parametrize("command", ["ls *", "echo $HOME", "echo `id`", "echo a\\.b", "ls ~", "x a[1]", 'echo "$HOME"'])
def test_what_a_shell_would_change_is_seen(command: str) -> None:
    assert bare(command)


@pytest.mark.parametrize("name", ["web-1", "x; reboot #", "$(reboot)", "a'b", "{name}", "--all", ""])
def test_a_name_is_one_word_of_a_template(name: str) -> None:
    assert shlex.split(f"kubectl get {shell_word(name)}".format()) == ["kubectl", "get", name]
