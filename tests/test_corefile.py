# SPDX-License-Identifier: Apache-2.0
"""The Corefile's grammar as CoreDNS has it, and that no text whatever upsets the reader."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_netdoc.corefile import KEPT, Corefile, parse, zone_and_port

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


def test_comments_end_a_line_and_only_from_the_beginning_of_a_word() -> None:
    read = parse("# head\n. { # the root\n  forward . 10.0.0.1 # {\n  #loop\n  cache 30#5\n}\n")
    assert names(read) == [["forward", "cache"]]
    assert arguments(read, "forward") == [(".", "10.0.0.1")]
    assert arguments(read, "cache") == [("30#5",)]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"10.0.0.1"', "10.0.0.1"),
        ("`10.0.0.1`", "10.0.0.1"),
        ('"with space"', "with space"),
        ('"# no comment"', "# no comment"),
        ('"{"', "{"),
        ('""', ""),
        ('"open', '"open'),
        ('"', '"'),
        ("tls://9.9.9.9", "tls://9.9.9.9"),
        ("{$UPSTREAM}", "{$UPSTREAM}"),
    ],
)
def test_words(written: str, meant: str) -> None:
    assert arguments(parse(f". {{\n  forward . {written} x\n}}\n"), "forward") == [(".", meant, "x")]


def test_line_goes_on_behind_a_backslash() -> None:
    assert arguments(parse(". {\n  forward . \\\n    10.0.0.1 \\\n    10.0.0.2\n}\n"), "forward") == [
        (".", "10.0.0.1", "10.0.0.2")
    ]


@pytest.mark.parametrize("text", ["a b {\n}\n", "a, b {\n}\n", "a,\nb {\n}\n", "a\nb\n{\n}\n"])
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
    assert parse("import a\n.:53\n").problem


def test_snippet_that_imports_itself_ends() -> None:
    assert names(parse("(a) {\n  import a\n}\n. {\n  import a\n}\n")) == [["import"]]


def test_snippets_that_multiply_are_a_problem() -> None:
    text = "(s0) {\n  errors\n}\n"
    for level in range(1, 30):
        text += f"(s{level}) {{\n" + f"  import s{level - 1}\n" * 10 + "}\n"
    assert parse(text + ". {\n  import s29\n}\n").problem


@pytest.mark.parametrize("text", [". {\n{\n}\n}\n", ". {\n  a\n  {\n    b\n  }\n}\n"])
def test_block_that_belongs_to_nothing_is_passed_over(text: str) -> None:
    assert "b" not in names(parse(text))[0]


def test_nested_blocks_are_no_plugins() -> None:
    read = parse(". {\n  a {\n    b {\n      forward . 1.1.1.1\n    }\n    loop\n  }\n  ready\n}\n")
    assert names(read) == [["a", "ready"]]


@pytest.mark.parametrize("text", [". {", ". {\n  a {\n}\n", "}\n", ". {\n}\n}\n", ". \n", "a\nb\n", ". {\n  forward . 1.1.1.1\n"])
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


@given(st.text(max_size=200) | st.lists(WORDS, max_size=60).map(" ".join) | st.lists(WORDS, max_size=60).map("".join))
def test_no_text_upsets_the_reader(text: str) -> None:
    read = parse(text)
    assert not (read.problem and read.servers)
    for server in read.servers:
        for zone in server.zones:
            zone_and_port(zone)
        assert all(plugin.name in KEPT or not plugin.arguments for plugin in server.plugins)
