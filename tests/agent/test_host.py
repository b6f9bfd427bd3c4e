# SPDX-License-Identifier: Apache-2.0
"""The operations on a node's own network, run as on a node: a process with the program as it is sent."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kubectl_netdoc import agent as package
from tests.support.agent_process import LONGEST, agent_module

SETUP = "set -e; ip link set lo up; ip link add t0 mtu 1400 type veth peer name t1; ip link set t1 up; ip link set t0 up; "
SETUP += "ip addr add 10.9.0.1/24 dev t0; ip route add blackhole 10.9.8.0/24; exec "


@pytest.fixture
def host() -> ModuleType:
    """The operations as a module."""
    return agent_module(host=True)


def run(asks: list[dict[str, Any]], *before: str, **more: object) -> list[dict[str, Any]]:
    """Return the agent's replies; ``before``: a command that runs it."""
    document = json.dumps({"budget": 20, "asks": asks, **more}).encode()
    command = [*before, sys.executable, "-c", package.source(host=True).decode()]
    done = subprocess.run(command, input=b"%d\n%s" % (len(document), document), capture_output=True, timeout=LONGEST, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_netlink_in_a_namespace_of_its_own() -> None:
    command = ("unshare", "-rn", "sh", "-c", SETUP + '"$@"', "sh")
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True, timeout=LONGEST)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespace can be made here: {error}")
    from kubectl_netdoc.sources import rtnetlink

    sample = run([{"id": 0, "op": "netlink"}], *command)[0]["samples"][0]
    found = rtnetlink.parse([base64.b64decode(text) for text in sample[2]], 1.0, sample[3], sample[4])
    assert {name for name, on in sample[4].items() if "tx" in on} >= {"lo", "t0"}
    link = next(link for link in found.links if link.name == "t0")
    assert (link.mtu, link.up, link.addresses[0]) == (1400, True, "10.9.0.1/24")
    assert {(route.to, route.type) for route in found.routes} >= {("10.9.0.0/24", "unicast"), ("10.9.8.0/24", "blackhole")}


def test_files_once_and_twice(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1\n")
    (tmp_path / "b").write_text("more than is taken")
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "secret").write_text("a key")
    asks = [
        {
            "id": 0,
            "op": "files",
            "once": [f"{tmp_path}/*/*", f"{tmp_path}/*"],
            "without": ["/secret"],
            "most": 2,
            "twice": [f"{tmp_path}/a", f"{tmp_path}/no"],
            "seconds": 0.1,
        }
    ]
    sample = run(asks)[0]["samples"][0]
    assert sample[2] >= 0.1
    assert sample[3:6] == [{f"{tmp_path}/a": "1\n"}] * 3
    assert sample[6] == os.uname().release


@pytest.mark.parametrize(
    ("name", "text", "row"),
    [
        ("10-a.conflist", '{"name": "a", "plugins": [{"type": "x"}, {"type": "portmap"}]}', ["a", ["x", "portmap"], ""]),
        ("20-b.conf", '{"name": "b", "type": "y", "key": "secret"}', ["b", ["y"], ""]),
        ("30-c.conf", "{", ["", [], "JSONDecodeError"]),
        ("40-d.conflist", '{"name": "d"}', ["d", [], ""]),
        ("41-d.conflist", '{"plugins": [{"type": "x"}]}', ["", [], "ValueError"]),
        ("42-d.conflist", '{"name": "d", "plugins": []}', ["", [], "ValueError"]),
        ("43-d.conflist", '{"name": "d", "plugins": [{}]}', ["", [], "ValueError"]),
        ("44-d.conflist", '{"name": "d", "loadOnlyInlinedPlugins": "True"}', ["", [], "ValueError"]),
        ("50-e.conf", "[]", ["", [], "AttributeError"]),
    ],
)
def test_cni_file(
    host: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, row: list[Any]
) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "calico-kubeconfig").write_text("secret")
    monkeypatch.setattr(host, "CNI", str(tmp_path))
    rows = host.cni({}, 0)["samples"][0][2]
    assert [[*found[:3], found[3].partition(":")[0]] for found in rows] == [[name, *row]]
    assert "secret" not in json.dumps(rows)


@pytest.mark.parametrize(
    ("text", "there", "row"),
    [
        ('{"name": "d"}', {"2.conf": "b", "1.conf": "a", "3.json": "c"}, [[], False, ["a", "b"], ""]),
        ('{"name": "d", "plugins": [{"type": "x"}]}', {"1.conf": "a"}, [["x"], True, ["a"], ""]),
        ('{"name": "d", "plugins": [{"type": "x"}], "loadOnlyInlinedPlugins": true}', {"1.conf": "a"}, [["x"], True, [], ""]),
        ('{"name": "d"}', {"1.conf": ""}, [[], False, [], "ValueError: a plugin has no type"]),
        ('{"name": "../d"}', {}, [[], False, [], ""]),
    ],
)
def test_plugins_in_a_folder_beside_a_list(
    host: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, there: dict[str, str], row: list[Any]
) -> None:
    (tmp_path / "d").mkdir()
    for name, kind in there.items():
        (tmp_path / "d" / name).write_text(json.dumps({"type": kind}))
    (tmp_path / "10-d.conflist").write_text(text)
    monkeypatch.setattr(host, "CNI", str(tmp_path))
    (found,) = host.cni({}, 0)["samples"][0][2]
    assert [found[2], *found[4:]] == row


FLOWS = """\
ipv4     2 udp      17 27 src=10.1.0.5 dst=10.96.0.10 sport=4 dport=53 src=10.1.0.3 dst=10.1.0.5 sport=53 dport=4 mark=0
ipv4     2 udp      17 27 src=10.96.0.10 dst=10.1.0.9 sport=4 dport=53 src=10.1.0.3 dst=10.96.0.10 sport=53 dport=4 mark=0
ipv4     2 tcp      6 27 ESTABLISHED src=10.1.0.5 dst=10.96.0.10 sport=4 dport=53 src=10.1.0.3 dst=10.1.0.5 sport=53 dport=4
"""


def test_only_udp_flows_to_the_addresses(host: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "tracked", FLOWS.splitlines)
    assert [line.split()[5] for line in host.flows({"to": ["10.96.0.10"]}, 0)["samples"][0][2]] == ["src=10.1.0.5"]
    monkeypatch.setattr(host, "MOST_FLOWS", 1)
    assert host.flows({"to": ["10.96.0.10", "10.1.0.9"]}, 0)["samples"][0][3] is True


def test_capabilities_are_given_up() -> None:
    asks = [{"id": 0, "op": "files", "once": ["/proc/self/status"], "without": [], "most": 9, "twice": [], "seconds": 0}]
    status = run(asks, capabilities=[])[0]["samples"][0][3]["/proc/self/status"]
    assert {line.split()[1] for line in status.splitlines() if line.startswith(("CapPrm", "CapEff"))} == {"0" * 16}


def test_a_dump_that_was_changed_meanwhile_is_taken_again(host: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of nf_tables, 6,000 rules became 5,980 or 6,020 in such a dump (Linux 6.18, rules before them added and flushed)."""
    dumps = iter([([b"a"], True, False), ([b"a", b"a"], True, False), ([b"a", b"b"], False, False)])
    monkeypatch.setattr(host, "dumped_once", lambda *_: next(dumps))
    assert list(host.dumped(host.NETFILTER, 0xA07, bytes(4))) == [b"a", b"b"]
    monkeypatch.setattr(host, "dumped_once", lambda *_: ([b"a"], True, False))
    assert list(host.dumped(host.NETFILTER, 0xA07, bytes(4))) == [b"a"], "at last, what there is"
    monkeypatch.setattr(host, "dumped_once", lambda *_: ([b"a"], False, True))
    taken = host.dumped(host.NETFILTER, 0xA07, bytes(4))
    assert next(taken) == b"a"
    with pytest.raises(host.Full):
        next(taken)


@pytest.mark.parametrize(
    ("modules", "symbols", "has"),
    [
        (None, None, True),  # a kernel without modules
        ("nf_tables 372736 90 - Live 0x0\n", None, True),
        ("nf_tables_x 1 0 - Live 0x0\n", "0000000000000000 t nf_tables_newtable\n", True),  # built in
        ("ip_tables 1 0 - Live 0x0\n", "0000000000000000 t ip_tables_init\n", False),
        ("ip_tables 1 0 - Live 0x0\n", None, True),  # nothing tells: then it is asked
    ],
)
def test_nf_tables_is_asked_only_where_it_is(
    host: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modules: str | None, symbols: str | None, has: bool
) -> None:
    found = tmp_path / "kallsyms"
    if symbols is not None:
        found.write_text(symbols)
    monkeypatch.setattr(host, "SYMBOLS", str(found))
    monkeypatch.setattr(host, "text", lambda path: modules)
    assert host.has_nf_tables() is has
    asked: list[int] = []

    def dumped(*request: Any) -> list[bytes]:
        asked.append(request[1])
        return []

    monkeypatch.setattr(host, "dumped", dumped)
    monkeypatch.setattr(host, "takers", lambda: ())
    monkeypatch.setattr(host, "legacy_rules", lambda: ())
    assert list(host.every_rule()) == []
    assert bool(asked) is has
