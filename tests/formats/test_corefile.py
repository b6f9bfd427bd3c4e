# SPDX-License-Identifier: Apache-2.0
"""The Corefile's grammar as CoreDNS has it, and that no text whatever upsets the reader.

``corefiles.json``: generated texts, and what CoreDNS 1.12.1 (caddy 1.1.4) made of each when it was started with it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_netdoc.formats.corefile import KEPT, Corefile
from kubectl_netdoc.formats.corefile_parser import parse
from kubectl_netdoc.formats.corefile_zones import zone_and_port

KUBEADM = """
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
"""


def names(corefile: Corefile) -> list[list[str]]:
    """Return the plugins' names of each server."""
    return [[plugin.name for plugin in server.plugins] for server in corefile.servers]


def zones(corefile: Corefile) -> list[tuple[str, ...]]:
    """Return the zones of each server."""
    return [server.zones for server in corefile.servers]


def arguments(corefile: Corefile, name: str) -> list[tuple[str, ...]]:
    """Return the arguments of each use of a plugin."""
    return [plugin.arguments for plugin in corefile.plugins(name)]


def test_what_kubeadm_writes() -> None:
    read = parse(KUBEADM)
    assert read.problem == ""
    assert zones(read) == [(".:53",)]
    assert names(read) == [
        ["errors", "health", "ready", "kubernetes", "prometheus", "forward", "cache", "loop", "reload", "loadbalance"]
    ]
    assert arguments(read, "kubernetes") == [("cluster.local", "in-addr.arpa", "ip6.arpa")]
    assert arguments(read, "forward") == [(".", "/etc/resolv.conf")]


def test_nothing_is_no_problem() -> None:
    for text in ("", "\n\n", "# only a comment\n", "   "):
        assert parse(text) == Corefile()


ANSWERS = json.loads((Path(__file__).parent / "corefiles.json").read_text())


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: ascii(answer["text"])[:60])
def test_what_coredns_itself_made_of_it(answer: dict[str, Any]) -> None:
    read = parse(answer["text"])
    assert bool(read.problem) == answer["refused"], read.problem or answer["why"]
    if not answer["refused"]:
        found = [(list(server.zones), sorted({plugin.name for plugin in server.plugins} - {"import"})) for server in read.servers]
        assert found == [(block["zones"], block["plugins"]) for block in answer["blocks"]]
        forward = [zone.rstrip(".") for zone in answer["cluster_zones"] if not zone.endswith(".arpa.") and zone != "."]
        assert [zone.lower() for zone in read.cluster_zones] == forward


def test_comments_end_a_line_and_within_a_word_the_word() -> None:
    read = parse("# head\n. { # the root\n  forward . 10.0.0.1 # {\n  #loop\n  cache 30#5 60\n}\n")
    assert names(read) == [["forward", "cache"]]
    assert arguments(read, "forward") == [(".", "10.0.0.1")]
    assert arguments(read, "cache") == [("30", "60")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"10.0.0.1"', "10.0.0.1"),
        ("`10.0.0.1`", "`10.0.0.1`"),
        ('a"b"', 'a"b"'),
        (r'"a\"b\c"', r'a"b\c'),
        ('"with space"', "with space"),
        ('"# no comment"', "# no comment"),
        ('""', ""),
        ("tls://9.9.9.9", "tls://9.9.9.9"),
        ("{$UPSTREAM}", "{$UPSTREAM}"),
    ],
)
def test_words(written: str, meant: str) -> None:
    assert arguments(parse(f". {{\n  forward . {written} x\n}}\n"), "forward") == [(".", meant, "x")]


@pytest.mark.parametrize("text", ["a b {\n}\n", "a, b {\n}\n", "a,\nb {\n}\n", "a,\nb\n{\n}\n"])
def test_several_zones_of_one_server(text: str) -> None:
    read = parse(text)
    assert read.problem == ""
    assert tuple(zone for part in zones(read)[0] for zone in part.split(",")) == ("a", "b")


def test_several_servers_in_order() -> None:
    assert zones(parse("a:53 {\n}\nb:53 {\n}\n. {\n}\n")) == [("a:53",), ("b:53",), (".",)]


def test_snippet_is_put_where_it_is_imported() -> None:
    read = parse("(common) {\n  errors\n  cache 30\n}\n. {\n  import common\n  loop\n}\nb {\n  import common\n}\n")
    assert zones(read) == [(".",), ("b",)]
    assert names(read) == [["errors", "cache", "loop"], ["errors", "cache"]]


def test_import_of_a_file_stays() -> None:
    assert arguments(parse(". {\n  import /etc/coredns/custom/*.override\n}\n"), "import") == [
        ("/etc/coredns/custom/*.override",)
    ]


def test_import_of_server_blocks_is_no_server_block() -> None:
    read = parse(".:53 {\n  errors\n  import custom/*.override\n}\nimport custom/*.server\n")  # AKS; k3s with a path
    assert (read.problem, names(read)) == ("", [["errors", "import"]])
    assert read.imports == ("custom/*.server",)


def test_snippet_that_imports_itself_is_a_problem() -> None:
    assert parse("(a) {\n  import a\n}\n. {\n  import a\n}\n").problem
    assert parse("(a) {\n  import b\n}\n(b) {\n  import a\n}\n. {\n  import a\n}\n").problem


def test_snippets_that_multiply_are_a_problem() -> None:
    text = "(s0) {\n  errors\n}\n"
    for level in range(1, 30):
        text += f"(s{level}) {{\n" + f"  import s{level - 1}\n" * 10 + "}\n"
    assert parse(text + ". {\n  import s29\n}\n").problem


def test_block_on_a_line_of_its_own_belongs_to_the_plugin_before() -> None:
    assert names(parse(". {\n  a\n  {\n    b\n  }\n}\n")) == [["a"]]


def test_nested_blocks_are_no_plugins() -> None:
    read = parse(". {\n  a {\n    b {\n      forward . 1.1.1.1\n    }\n    loop\n  }\n  ready\n}\n")
    assert names(read) == [["a", "ready"]]


@pytest.mark.parametrize("text", [". {", ". {\n  a {\n", ". {\n{\n}\n}\n", ". {\n  a\n  loop }\n", ". {\n  forward . 1.1.1.1\n"])
def test_unbalanced_text_is_a_problem_and_no_servers(text: str) -> None:
    read = parse(text)
    assert read.problem
    assert read.servers == ()


SECRET = "LEAKED"


@pytest.mark.parametrize(
    "block",
    [
        f"route53 example.org.:Z1{SECRET} {{\n aws_access_key {SECRET} {SECRET}\n credentials {SECRET}\n}}",
        f"etcd {{\n credentials user {SECRET}\n tls cert {SECRET}\n}}",
        f"tls {SECRET}.pem {SECRET}.key",
        f"tsig {{\n secret example.org. {SECRET}\n}}",
        f"azure {SECRET} {{\n client {SECRET}\n}}",
        f"forward . tls://9.9.9.9 {{\n tls {SECRET} {SECRET}\n}}",
        f"unknown {SECRET}",
        f'etcd {{\n forward "{SECRET}"\n log {SECRET}\n}}',
        f"# aws_access_key {SECRET}",
    ],
)
def test_arguments_that_may_be_secret_are_dropped(block: str) -> None:
    for text in (f". {{\n{block}\n}}\n", f"(x) {{\n{block}\n}}\n. {{\n import x\n}}\n"):
        read = parse(text)
        assert read.problem == ""
        assert SECRET not in repr(read)


@pytest.mark.parametrize("cut", range(40, 100, 7))
def test_text_that_is_cut_shows_no_secret_in_its_problem(cut: int) -> None:
    text = f". {{\n  route53 example.org.:Z1 {{\n    aws_access_key {SECRET} {SECRET}{SECRET}{SECRET}\n  }}\n}}\n"
    assert SECRET not in repr(parse(text[:cut]))


@pytest.mark.parametrize(
    ("written", "zone", "port"),
    [
        (".", ".", 53),
        (".:53", ".", 53),
        (".:1053", ".", 1053),
        (":5353", ".", 5353),
        ("example.org", "example.org", 53),
        ("example.org:5353", "example.org", 5353),
        ("dns://example.org:5353", "example.org", 5353),
        ("dns://.:53", ".", 53),
        ("tls://example.org", "example.org", 853),
        ("https://.", ".", 443),
        ("10.0.0.0/24", "10.0.0.0/24", 53),
        ("example.org:dns", "example.org:dns", 53),
        ("example.org:²", "example.org:²", 53),
        ("example.org:" + "9" * 5000, "example.org:" + "9" * 5000, 53),
    ],
    ids=lambda value: str(value)[:20],
)
def test_zone_and_port(written: str, zone: str, port: int) -> None:
    assert zone_and_port(written) == (zone, port)


WORDS = st.sampled_from(["{", "}", "(x)", "import", "x", ".", ".:53", "forward", "#", '"', "`", "\\", ",", "\n", "\n", " ", "²"])


@pytest.mark.parametrize(
    "blocks",
    [
        "{$ZONE} {\n}\n{$ZONE}:53 {\n}\n",  # what the environment says may be nothing
        "a {\n bind eth0\n}\na {\n bind eth1\n}\n",
        "a {\n import custom/*.override\n}\na {\n bind 10.0.0.1\n}\n",
        "__PILLAR__DNS__DOMAIN__:53 {\n bind 169.254.20.10\n}\nin-addr.arpa:53 {\n bind 169.254.20.10\n}\n",
    ],
)
def test_zones_that_may_be_different_are_no_problem(blocks: str) -> None:
    assert parse(blocks).problem == ""


@pytest.mark.parametrize("plain", ["10.0.0.1", "eth0"])
def test_a_block_for_all_addresses_leaves_no_room_for_another(plain: str) -> None:
    assert parse(f"a {{\n bind {plain}\n}}\na {{\n}}\n").problem


def test_a_template_is_no_corefile_yet() -> None:
    read = parse(".:53 {\n{{- range .Values.plugins }}\n  {{ .name }} {{ .parameters }}\n{{- end }}\n}\n")
    assert (read.problem, bool(read.imports)) == ("", True)
    assert parse('. {\n template IN A {\n  answer "{{ .Name }} 60 IN A 192.0.2.1"\n }\n loop\n').problem


@given(st.text(max_size=200) | st.lists(WORDS, max_size=60).map(" ".join) | st.lists(WORDS, max_size=60).map("".join))
def test_no_text_upsets_the_reader(text: str) -> None:
    read = parse(text)
    assert not (read.problem and read.servers)
    for server in read.servers:
        for zone in server.zones:
            zone_and_port(zone)
        assert all(plugin.name in KEPT or not plugin.arguments for plugin in server.plugins)


def test_of_what_answers_before_kubernetes_names_are_kept_and_no_answers() -> None:
    text = """.:53 {
        hosts /etc/own example.net {
            192.0.2.1 web.shop.svc.cluster.local private.example
            fallthrough example.net
        }
        template IN A cluster.local {
            match "^a[.]" "^b[.]"
            answer "{{ .Name }} 60 IN A 192.0.2.77"
        }
        rewrite edns0 local set 0xffee secret
        rewrite name a.example b.example
    }"""
    (server,) = parse(text).servers
    assert [(plugin.name, plugin.arguments, plugin.inside) for plugin in server.plugins] == [
        ("hosts", ("/etc/own", "example.net"), (("fallthrough", "example.net"), ("name", "web.shop.svc.cluster.local"))),
        ("template", ("IN", "A", "cluster.local"), (("match", "^a[.]", "^b[.]"),)),
        ("rewrite", (), ()),
        ("rewrite", ("name", "a.example", "b.example"), ()),
    ]
