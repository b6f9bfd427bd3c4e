# SPDX-License-Identifier: Apache-2.0
"""Rules for Services in the forms in which kube-proxy writes them, made in a network namespace and read by the agent.

The rules are those of a node of the lab (Kubernetes 1.35.4 and 1.37.2), cut down to some Services.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from kubectl_netdoc import agent
from kubectl_netdoc.measurements.node import ServiceTable
from kubectl_netdoc.sources import rule_replies
from tests.agent.test_inventory import namespace
from tests.support.packet_namespaces import LONGEST, within

needs_nft = pytest.mark.skipif(not shutil.which("nft"), reason="nft is not here")
BOTH = ("output", "prerouting")


def told(setup: str) -> dict[str, ServiceTable]:
    """Return what the agent, as it is sent, tells of a namespace, and what is made of it."""
    batch = json.dumps({"budget": 20, "capabilities": [12], "asks": [{"id": 0, "op": "service_rules"}]}).encode()
    with namespace(setup) as pid:
        command = within(pid, sys.executable, "-c", agent.source(host=True).decode())
        done = subprocess.run(command, input=b"%d\n%s" % (len(batch), batch), capture_output=True, timeout=LONGEST, check=True)
    reply = json.loads(done.stdout.splitlines()[0])
    assert "error" not in reply, reply
    tables = rule_replies.service_rules(reply["samples"][0], 1.0).tables
    assert tables is not None
    return tables


BASE = """
table FAMILY kube-proxy {
  set cluster-ips { type ADDR; elements = { WEB }; }
  map service-ips { type ADDR . inet_proto . inet_service : verdict; }
  map service-nodeports { type inet_proto . inet_service : verdict; }
  map no-endpoint-services { type ADDR . inet_proto . inet_service : verdict; }
  map no-endpoint-nodeports { type inet_proto . inet_service : verdict; }
  map firewall-ips { type ADDR . inet_proto . inet_service : verdict; }
  chain reject-chain { reject; }
  chain mark-for-masquerade { meta mark set mark or 0x4000; }
  chain services {
    FAMILY daddr @cluster-ips FAMILY saddr != CIDR jump mark-for-masquerade
    FAMILY daddr . meta l4proto . th dport vmap @service-ips
    fib daddr type local meta l4proto . th dport vmap @service-nodeports
  }
  chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }
  chain service-endpoints-check { FAMILY daddr . meta l4proto . th dport vmap @no-endpoint-services; }
  chain filter-forward-pre-dnat { type filter hook forward priority -110; ct state new jump service-endpoints-check; }
MORE
}
add element FAMILY kube-proxy no-endpoint-services { NONE . tcp . 80 : goto reject-chain };
"""
FOUR = {"FAMILY": "ip", "ADDR": "ipv4_addr", "CIDR": "10.244.0.0/16", "WEB": "10.96.0.1", "NONE": "10.96.0.9"}
SIX = {"FAMILY": "ip6", "ADDR": "ipv6_addr", "CIDR": "fd00:10::/64", "WEB": "fd00:96::1", "NONE": "fd00:96::9"}
DNAT_TO_MAP = "numgen random mod 2 map { 0 : 10.244.1.5 . 8080, 1 : 10.244.2.5 . 8080 }"
FORMS = {
    "since 1.36": f"""
  chain service-A-shop/web/tcp/http {{ meta l4proto tcp dnat ip addr . port to {DNAT_TO_MAP}; }}
  chain external-A-shop/web/tcp/http {{ jump mark-for-masquerade; goto service-A-shop/web/tcp/http; }}
""",
    "up to 1.35": """
  chain endpoint-B-shop/web/tcp/http__10.244.1.5/8080 { ip saddr 10.244.1.5 jump mark-for-masquerade
    meta l4proto tcp dnat to 10.244.1.5:8080; }
  chain endpoint-C-shop/web/tcp/http__10.244.2.5/8080 { ip saddr 10.244.2.5 jump mark-for-masquerade
    meta l4proto tcp dnat to 10.244.2.5:8080; }
  chain service-A-shop/web/tcp/http {
    numgen random mod 2 vmap { 0 : goto endpoint-B-shop/web/tcp/http__10.244.1.5/8080,
      1 : goto endpoint-C-shop/web/tcp/http__10.244.2.5/8080 }; }
  chain external-A-shop/web/tcp/http { jump mark-for-masquerade; goto service-A-shop/web/tcp/http; }
""",
    "with session affinity": """
  set affinity-B { type ipv4_addr; flags dynamic,timeout; timeout 3h; }
  chain endpoint-B-shop/web/tcp/http__10.244.1.5/8080 { update @affinity-B { ip saddr }
    meta l4proto tcp dnat to 10.244.1.5:8080; }
  chain endpoint-C-shop/web/tcp/http__10.244.2.5/8080 { meta l4proto tcp dnat to 10.244.2.5:8080; }
  chain service-A-shop/web/tcp/http {
    ip saddr @affinity-B goto endpoint-B-shop/web/tcp/http__10.244.1.5/8080
    numgen random mod 2 vmap { 0 : goto endpoint-B-shop/web/tcp/http__10.244.1.5/8080,
      1 : goto endpoint-C-shop/web/tcp/http__10.244.2.5/8080 }; }
  chain external-A-shop/web/tcp/http { goto service-A-shop/web/tcp/http; }
""",
    "local only": f"""
  chain service-A-shop/web/tcp/http {{ meta l4proto tcp dnat ip addr . port to {DNAT_TO_MAP}; }}
  chain local-A-shop/web/tcp/http {{ meta l4proto tcp dnat to 10.244.1.5:8080; }}
  chain external-A-shop/web/tcp/http {{ ip saddr 10.244.0.0/16 goto service-A-shop/web/tcp/http
    fib saddr type local jump mark-for-masquerade; fib saddr type local goto service-A-shop/web/tcp/http
    goto local-A-shop/web/tcp/http; }}
""",
    "source ranges": f"""
  chain service-A-shop/web/tcp/http {{ meta l4proto tcp dnat ip addr . port to {DNAT_TO_MAP}; }}
  chain external-A-shop/web/tcp/http {{ goto service-A-shop/web/tcp/http; }}
  chain firewall-A-shop/web/tcp/http {{ ip saddr != {{ 10.0.0.0/8, 192.0.2.7 }} drop; }}
  chain firewall-check {{ ip daddr . meta l4proto . th dport vmap @firewall-ips; }}
""",
}
SERVED = """
add element ip kube-proxy service-ips { 10.96.0.1 . tcp . 80 : goto service-A-shop/web/tcp/http };
add element ip kube-proxy service-nodeports { tcp . 30080 : goto external-A-shop/web/tcp/http };
"""
ENDS = ("10.244.1.5:8080", "10.244.2.5:8080")


def ruleset(more: str, words: dict[str, str] = FOUR, served: str = SERVED) -> str:
    text = BASE.replace("MORE", more)
    for word, value in words.items():
        text = text.replace(word, value)
    return f"nft -f - <<'END'\n{text}{served}\nEND"


@needs_nft
@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_nftables_mode(form: str) -> None:
    to: dict[str, tuple[str, ...]] = {"tcp *:30080": ENDS, "tcp 10.96.0.1:80": ENDS}
    assert told(ruleset(FORMS[form])) == {"nftables": ServiceTable(to, ("tcp 10.96.0.9:80",), (), BOTH)}


@needs_nft
def test_one_endpoint_and_ipv6() -> None:
    chain = "chain service-A-shop/web/tcp/http { meta l4proto tcp dnat to [fd00:10::5]:8080; }"
    served = "add element ip6 kube-proxy service-ips { fd00:96::1 . tcp . 80 : goto service-A-shop/web/tcp/http };"
    found = told(ruleset(chain, SIX, served))["nftables"]
    assert (found.to, found.refused) == ({"tcp [fd00:96::1]:80": ("[fd00:10::5]:8080",)}, ("tcp [fd00:96::9]:80",))


@needs_nft
@pytest.mark.parametrize(
    ("broken", "to", "unclear", "hooks"),
    [
        ("nft flush chain ip kube-proxy service-A-shop/web/tcp/http", {"tcp *:30080": (), "tcp 10.96.0.1:80": ()}, (), BOTH),
        ("nft flush chain ip kube-proxy services", {}, (), BOTH),
        ("nft flush map ip kube-proxy service-ips", {"tcp *:30080": ENDS}, (), BOTH),
        ("nft flush chain ip kube-proxy nat-prerouting", {"tcp *:30080": ENDS, "tcp 10.96.0.1:80": ENDS}, (), ("output",)),
        (
            "nft add rule ip kube-proxy service-A-shop/web/tcp/http dnat to ip saddr map { 10.1.1.1 : 10.2.2.2 }",
            {"tcp *:30080": ENDS, "tcp 10.96.0.1:80": ENDS},
            ("tcp *:30080", "tcp 10.96.0.1:80"),
            BOTH,
        ),
    ],
)
def test_what_is_broken_and_what_is_not_understood(
    broken: str, to: dict[str, tuple[str, ...]], unclear: tuple[str, ...], hooks: tuple[str, ...]
) -> None:
    (table,) = told(f"{ruleset(FORMS['since 1.36'])}\n{broken}").values()
    assert (table.to, table.unclear, table.hooks, table.unknown) == (to, unclear, hooks, False)


@needs_nft
def test_chains_that_nothing_known_leads_to_are_an_unknown_form() -> None:
    text = ruleset(FORMS["since 1.36"]).replace("jump services", "accept").replace("chain services", "chain dispatch")
    assert told(text)["nftables"].unknown


IPTABLES = """
TOOL -t nat -N KUBE-SERVICES; TOOL -t nat -N KUBE-NODEPORTS; TOOL -t nat -N KUBE-MARK-MASQ; TOOL -N KUBE-SERVICES
TOOL -t nat -N KUBE-SVC-WEB; TOOL -t nat -N KUBE-EXT-WEB; TOOL -t nat -N KUBE-SEP-A; TOOL -t nat -N KUBE-SEP-B
TOOL -t nat -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
TOOL -t nat -A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
TOOL -t nat -A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
TOOL -t nat -A KUBE-SERVICES -d WEB -p tcp -m comment --comment "shop/web:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-WEB
TOOL -t nat -A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
TOOL -t nat -A KUBE-NODEPORTS -d LOOPBACK -p tcp -m tcp --dport 30080 -j KUBE-EXT-WEB
TOOL -t nat -A KUBE-NODEPORTS -p tcp -m tcp --dport 30080 -j KUBE-EXT-WEB
TOOL -t nat -A KUBE-EXT-WEB -j KUBE-MARK-MASQ
TOOL -t nat -A KUBE-EXT-WEB -j KUBE-SVC-WEB
TOOL -t nat -A KUBE-SVC-WEB ! -s CIDR -d WEB -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ
TOOL -t nat -A KUBE-SVC-WEB -m recent --name KUBE-SEP-A --rcheck --seconds 10800 --reap --rsource -j KUBE-SEP-A
TOOL -t nat -A KUBE-SVC-WEB -m statistic --mode random --probability 0.5 -j KUBE-SEP-A
TOOL -t nat -A KUBE-SVC-WEB -j KUBE-SEP-B
TOOL -t nat -A KUBE-SEP-A -s ONE -j KUBE-MARK-MASQ
TOOL -t nat -A KUBE-SEP-A -p tcp -m recent --name KUBE-SEP-A --set -m tcp -j DNAT --to-destination [ONE]:8080
TOOL -t nat -A KUBE-SEP-B -p tcp -m tcp -j DNAT --to-destination [TWO]:8080
TOOL -A FORWARD -m conntrack --ctstate NEW -j KUBE-SERVICES
TOOL -A KUBE-SERVICES -d NONE -p tcp -m comment --comment "shop/none:http has no endpoints" -m tcp --dport 80 -j REJECT
"""
V4 = {"WEB": "10.96.0.1", "LOOPBACK": "127.0.0.0/8", "CIDR": "10.244.0.0/16", "ONE": "10.244.1.5", "TWO": "10.244.2.5"}
V6 = {"WEB": "fd00:96::1", "LOOPBACK": "::1", "CIDR": "fd00:10::/64", "ONE": "fd00:10::5", "TWO": "fd00:20::5"}


def iptables(tool: str, six: bool = False) -> str:
    text = IPTABLES.replace("TOOL", tool)
    for word, value in ((V6 if six else V4) | {"NONE": "fd00:96::9" if six else "10.96.0.9"}).items():
        text = text.replace(f" {word} ", f" {value} ").replace(f"[{word}]", f"[{value}]" if six else value)
    return f"set -e{text}"


@pytest.mark.parametrize(("suffix", "table"), [("nft", "iptables"), ("legacy", "legacy")])
@pytest.mark.parametrize("six", [False, True])
def test_iptables_mode(suffix: str, table: str, six: bool) -> None:
    tool = f"{'ip6tables' if six else 'iptables'}-{suffix}"
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not here")
    ends = ("[fd00:10::5]:8080", "[fd00:20::5]:8080") if six else ENDS
    web, none = ("tcp [fd00:96::1]:80", "tcp [fd00:96::9]:80") if six else ("tcp 10.96.0.1:80", "tcp 10.96.0.9:80")
    assert told(iptables(tool, six)) == {table: ServiceTable({"tcp *:30080": ends, web: ends}, (none,), (), BOTH)}


@pytest.mark.parametrize("suffix", ["nft", "legacy"])
@pytest.mark.parametrize(
    ("broken", "ends", "hooks"),
    [
        ("-t nat -F KUBE-SVC-WEB", (), BOTH),
        ("-t nat -F KUBE-SEP-A", ENDS[1:], BOTH),
        ("-t nat -D PREROUTING 1", ENDS, ("output",)),
    ],
)
def test_what_is_broken_in_iptables_mode(suffix: str, broken: str, ends: tuple[str, ...], hooks: tuple[str, ...]) -> None:
    tool = f"iptables-{suffix}"
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not here")
    (table,) = told(f"{iptables(tool)}{tool} {broken}").values()
    assert (table.to["tcp 10.96.0.1:80"], table.hooks, table.unclear) == (ends, hooks, ())


@needs_nft
def test_rules_of_a_family_without_services_lead_nobody() -> None:
    """Up to 1.35 kube-proxy keeps a table for each family; the one without Services says nothing of the other's packets."""
    broken = f"{ruleset(FORMS['up to 1.35'])}\nnft flush chain ip kube-proxy nat-prerouting\n{ruleset('', SIX, '')}"
    assert told(broken)["nftables"].hooks == ("output",)


@pytest.mark.parametrize("suffix", ["nft", "legacy"])
def test_chains_of_a_family_without_services_lead_nobody(suffix: str) -> None:
    tool, other = f"iptables-{suffix}", f"ip6tables-{suffix}"
    if not (shutil.which(tool) and shutil.which(other)):
        pytest.skip(f"{tool} is not here")
    empty = f"{other} -t nat -N KUBE-SERVICES; {other} -t nat -A PREROUTING -j KUBE-SERVICES"
    (table,) = told(f"{iptables(tool)}{tool} -t nat -D PREROUTING 1; {empty}").values()
    assert table.hooks == ("output",)


def test_rules_of_others_are_not_kube_proxys() -> None:
    if not shutil.which("iptables-nft"):
        pytest.skip("iptables-nft is not here")
    assert (
        told("iptables-nft -t nat -N CNI-DN-A; iptables-nft -t nat -A CNI-DN-A -p tcp -j DNAT --to-destination 10.1.0.6:80") == {}
    )
