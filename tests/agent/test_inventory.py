# SPDX-License-Identifier: Apache-2.0
"""What on a node belongs to nobody known, read by the agent in a network namespace of this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kubectl_netdoc import agent
from kubectl_netdoc.measurements import rule_owners
from kubectl_netdoc.measurements.trace import NodeRulesReply, Queue
from kubectl_netdoc.sources import rule_replies
from tests.support.packet_namespaces import LONGEST, within

VETH = "ip link add veth0a type veth peer name p0; ip link set veth0a up; ip link set p0 up; "


@contextmanager
def namespace(setup: str) -> Iterator[int]:
    """A namespace in which something was done; the process that holds it ends with it."""
    try:
        holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
    except OSError as error:
        pytest.skip(f"no network namespace can be made here: {error}")
    try:
        if holder.stdout is None or not holder.stdout.readline():
            pytest.skip("no network namespace can be made here")
        done = subprocess.run(
            within(holder.pid, "sh", "-ec", setup), capture_output=True, text=True, timeout=LONGEST, check=False
        )
        if done.returncode:
            pytest.skip(f"this kernel can't: {done.stderr[-300:]}")
        yield holder.pid
    finally:
        holder.kill()
        holder.communicate()


def told(setup: str, most: int = 100) -> NodeRulesReply:
    """Return what the agent, as it is sent, tells of a namespace, and what is made of it."""
    ask = {"id": 0, "op": "rules", "owned": rule_owners.PATTERNS, "most": most}
    batch = json.dumps({"budget": 20, "capabilities": [12], "asks": [ask]}).encode()
    with namespace(setup) as pid:
        command = within(pid, sys.executable, "-c", agent.source(host=True).decode())
        done = subprocess.run(command, input=b"%d\n%s" % (len(batch), batch), capture_output=True, timeout=LONGEST, check=True)
    reply = json.loads(done.stdout.splitlines()[0])
    assert "error" not in reply, reply
    return rule_replies.node_rules(reply["samples"][0], 1.0)


def words(reply: NodeRulesReply) -> list[tuple[str, ...]]:
    return [(rule.backend, rule.family, rule.table, rule.chain, rule.handle, rule.text) for rule in reply.rules]


needs_tc = pytest.mark.skipif(not shutil.which("tc"), reason="tc is not here")
needs_nft = pytest.mark.skipif(not shutil.which("nft"), reason="nft is not here")


def test_nothing() -> None:
    found = told(VETH)
    assert (found.rules, found.queues, found.sets, found.cut) == ((), (), (), False)


@needs_tc
def test_filters_at_each_place() -> None:
    found = told(
        f"{VETH} tc qdisc add dev veth0a clsact; "
        "tc filter add dev veth0a egress protocol ip pref 7 u32 match ip src 10.1.0.0/16 match ip dport 53 0xffff "
        "action mirred egress redirect dev p0; "
        "tc filter add dev veth0a ingress protocol all pref 8 chain 3 u32 match u32 0 0 action mirred egress mirror dev p0; "
        "tc qdisc add dev p0 root handle 5: htb; tc class add dev p0 parent 5: classid 5:1 htb rate 1mbit; "
        "tc filter add dev p0 parent 5: protocol ip pref 9 u32 match ip dst 10.1.0.8/32 flowid 5:1"
    )
    assert sorted(words(found)) == [
        ("tc", "all", "veth0a", "ingress", "chain 3 pref 8 handle 801::800 u32", "u32 mirror to p0"),
        ("tc", "ip", "p0", "parent 5:", "pref 9 handle 800::800 u32", "u32 ip daddr 10.1.0.8 class 5:1"),
        ("tc", "ip", "veth0a", "egress", "pref 7 handle 800::800 u32", "u32 ip saddr 10.1.0.0/16 dport 53 redirect to p0"),
    ]
    assert {rule.chain: (rule.verdict, rule.packets >= 0) for rule in found.rules} == {
        "ingress": ("", True),
        "egress": ("steal", True),
        "parent 5:": ("", False),
    }
    assert found.queues == (Queue("p0", "htb", "5:"),)


@needs_tc
def test_a_pods_bandwidth_limit_is_the_cni_plugins() -> None:
    """As plugins/meta/bandwidth makes it: a tbf on the pod's link, and a filter to an ifb with another tbf."""
    found = told(
        f"{VETH} tc qdisc add dev veth0a root handle 1: tbf rate 1mbit burst 10k latency 25ms; "
        "ip link add bwp0123456789 type ifb; ip link set bwp0123456789 up; tc qdisc add dev veth0a handle ffff: ingress; "
        "tc filter add dev veth0a parent ffff: protocol all pref 1 u32 match u32 0 0 flowid 1:1 "
        "action mirred egress redirect dev bwp0123456789; "
        "tc qdisc add dev bwp0123456789 root handle 1: tbf rate 1mbit burst 10k latency 25ms"
    )
    assert (found.rules, found.queues) == ((), ())


@needs_tc
def test_more_filters_than_are_read() -> None:
    add = (
        "tc filter add dev veth0a ingress protocol ip pref $n u32 match ip dst 10.1.0.$n/32 action mirred egress redirect dev p0"
    )
    assert told(f"{VETH} tc qdisc add dev veth0a clsact; for n in 1 2 3; do {add}; done", most=2).cut


def test_policies() -> None:
    found = told(
        "ip xfrm policy add src 10.0.0.0/8 dst 10.244.2.0/24 proto udp dport 53 dir out action block priority 5; "
        "ip xfrm policy add src fd00::/8 dst fd01::/64 dir fwd priority 9 mark 3 mask 0xff "
        "tmpl src fd00::1 dst fd00::2 proto esp reqid 1 mode tunnel; "
        "ip xfrm policy add src 10.0.0.0/8 dst 10.3.0.0/16 dir in"
    )
    tunnel = "src fd00::/8 dst fd01::/64 priority 9 tmpl src fd00::1 dst fd00::2 proto esp reqid 1 mode tunnel mark 0x3 mask 0xff"
    assert {(rule.family, rule.chain, rule.verdict, rule.source, rule.to, rule.text) for rule in found.rules} == {
        ("ip", "out", "block", "10.0.0.0/8", "10.244.2.0/24",
         "src 10.0.0.0/8 dst 10.244.2.0/24 proto udp dport 53 block priority 5"),
        ("ip6", "fwd", "transform", "fd00::/8", "fd01::/64", tunnel),
        ("ip", "in", "accept", "10.0.0.0/8", "10.3.0.0/16", "src 10.0.0.0/8 dst 10.3.0.0/16 accept priority 0"),
    }  # fmt: skip


NFT = """nft -f - <<'END'
table inet t {
  set bad { type ipv4_addr; flags interval; elements = { 10.1.0.0/16, 10.3.0.5-10.3.0.9, 10.4.0.1, 255.0.0.0/8 } }
  set ports { type inet_service; elements = { 53, 80 } }
  set pairs { type ipv4_addr . inet_service; elements = { 10.0.0.1 . 53 } }
  set ranges { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/24 . 53-60 } }
  set six { type ipv6_addr; elements = { fd00::1 } }
  set links { type ifname; elements = { "eth9" } }
  set unused { type ipv4_addr; elements = { 10.9.9.9 } }
  chain f { type filter hook forward priority 0;
    ip saddr @bad drop
    ip saddr { 10.7.0.2, 10.7.0.1 } counter drop
    tcp dport @ports drop
    ip saddr . tcp dport @pairs drop
    ip saddr . tcp dport @ranges drop
    ip6 saddr @six drop
    iifname @links drop
    tcp dport vmap { 22 : accept, 23 : drop }
  }
}
END
"""


@needs_nft
def test_members_of_sets_of_nftables() -> None:
    found = told(NFT)
    assert {each.name: (each.type, each.count, each.members) for each in found.sets} == {
        "bad": ("ipv4_addr", 4, ("10.1.0.0/16", "10.3.0.5-10.3.0.9", "10.4.0.1", "255.0.0.0/8")),
        "ports": ("inet_service", 2, ("53", "80")),
        "pairs": ("ipv4_addr . inet_service", 1, ("10.0.0.1 . 53",)),
        "ranges": ("ipv4_addr . inet_service", 1, ("10.0.0.0 . 53 - 10.0.0.255 . 60",)),
        "six": ("ipv6_addr", 1, ("fd00::1",)),
        "links": ("ifname", 1, ("eth9",)),
    }
    texts = [rule.text for rule in found.rules]
    assert "ip saddr { 10.7.0.1, 10.7.0.2 } drop" in texts
    assert "tcp dport vmap { 22 : accept, 23 : drop }" in texts


@needs_nft
def test_a_large_set_is_bounded() -> None:
    members = "nft add element ip t many { $(seq -s, -f '10.5.0.%g' 1 200) }"
    rule = "nft add chain ip t f '{ type filter hook forward priority 0; }'; nft add rule ip t f ip saddr @many drop"
    (found,) = told(f"nft add table ip t; nft add set ip t many '{{ type ipv4_addr; }}'; {members}; {rule}").sets
    assert (found.count, len(found.members), found.cut) == (200, 50, True)


IPSETS = f"""{sys.executable} - <<'END'
from pyroute2 import IPSet
from pyroute2.ipset import PortEntry, PortRange
sets = IPSet()
sets.create("deny", stype="hash:net")
sets.add("deny", "10.5.0.0/16", etype="net")
sets.add("deny", "10.6.0.0/24", etype="net")
sets.create("hosts", stype="hash:ip")
sets.add("hosts", "10.8.0.1")
sets.create("pairs", stype="hash:ip,port")
sets.add("pairs", ("10.8.0.2", PortEntry(53, protocol=17)), etype="ip,port")
sets.create("unused", stype="hash:ip")
sets.add("unused", "10.9.9.9")
END
"""


@pytest.mark.parametrize("tool", ["iptables", "iptables-legacy"])
def test_members_of_sets_of_ipset(tool: str) -> None:
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not here")
    rules = "; ".join(
        f"{tool} -A FORWARD -m set --match-set {name} -j DROP" for name in ("deny src", "hosts dst", "pairs src,dst")
    )
    found = told(f"{IPSETS} {rules}")
    assert {each.name: (each.type, each.count, each.members) for each in found.sets} == {
        "deny": ("hash:net", 2, ("10.5.0.0/16", "10.6.0.0/24")),
        "hosts": ("hash:ip", 1, ("10.8.0.1",)),
        "pairs": ("hash:ip,port", 1, ("10.8.0.2,udp:53",)),
    }
    assert [rule.text for rule in found.rules if rule.verdict == "drop"] == [
        f"-m set @{name} drop" for name in ("deny", "hosts", "pairs")
    ]


@pytest.mark.skipif(not shutil.which("iptables"), reason="iptables is not here")
def test_a_known_owners_set_keeps_its_members() -> None:
    sets = IPSETS.replace('"deny"', '"cali40s:abc"')
    found = told(f"{sets} iptables -A FORWARD -m set --match-set cali40s:abc src -j DROP")
    assert found.sets == ()
    assert [rule.text for rule in found.rules if rule.verdict == "drop"] == ["-m set @cali40s:abc drop"]


def test_without_rules_that_use_them_no_sets_are_read() -> None:
    assert told(IPSETS).sets == ()
