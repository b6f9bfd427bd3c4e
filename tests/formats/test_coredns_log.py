# SPDX-License-Identifier: Apache-2.0
"""The digest of DNS logs, on lines as CoreDNS 1.12 writes them (most of them taken from the lab)."""

from __future__ import annotations

import pytest

from kubectl_netdoc.formats.coredns_log import Cause, digest

LINES = [
    (
        '[FATAL] plugin/loop: Loop (127.0.0.1:57423 -> :53) detected for zone ".", see https://coredns.io/plugins/loop#'
        'troubleshooting. Query: "HINFO 4547991504243258144.3688648895315093531."',
        Cause("loop", 1, "127.0.0.1:57423 -> :53"),
    ),
    (
        "/etc/coredns/Corefile:15 - Error during parsing: Unknown directive 'loadbalnce'",
        Cause("Corefile refused", 1, "Corefile line 15: Unknown directive 'loadbalnce'"),
    ),
    (
        "[ERROR] plugin/errors: 2 shop.example.com. A: read udp 10.244.0.2:57423->172.18.0.5:53: i/o timeout",
        Cause("upstream timeout", 1, "172.18.0.5:53"),
    ),
    (
        "[ERROR] plugin/errors: 2 shop.example.com. A: read udp [fd00::2]:57423->[fd00::53]:53: i/o timeout",
        Cause("upstream timeout", 1, "[fd00::53]:53"),
    ),
    (
        "[ERROR] plugin/errors: 2 shop.example.com. AAAA: dial tcp 172.18.0.5:53: i/o timeout",
        Cause("upstream timeout", 1, "172.18.0.5:53"),
    ),
    (
        "[ERROR] plugin/errors: 2 shop.example.com. A: read udp 10.244.0.2:57423->172.18.0.5:53: read: connection refused",
        Cause("upstream refused", 1, "172.18.0.5:53"),
    ),
    (
        "[ERROR] plugin/errors: 2 shop.example.com. A: dial tcp 172.18.0.5:53: connect: connection refused",
        Cause("upstream refused", 1, "172.18.0.5:53"),
    ),
    (
        "[ERROR] plugin/kubernetes: pkg/mod/k8s.io/client-go@v0.32.3/tools/cache/reflector.go:251: Failed to watch *v1.Service: "
        'failed to list *v1.Service: Get "https://10.96.0.1:443/api/v1/services": dial tcp 10.96.0.1:443: i/o timeout',
        Cause("API unreachable", 1, 'Get "https://10.96.0.1:443/api/v1/services": dial tcp 10.96.0.1:443: i/o timeout'),
    ),
    (
        '[WARNING] plugin/kubernetes: Kubernetes API connection failure: Get "https://10.96.0.1:443/version": dial tcp: refused',
        Cause("API unreachable", 1, 'Get "https://10.96.0.1:443/version": dial tcp: refused'),
    ),
    (
        "[ERROR] plugin/errors: 2 shop.example.com. A: read udp 10.244.0.2:57423->172.18.0.5:53: read: no route to host",
        Cause("no route to upstream", 1, "172.18.0.5:53"),
    ),
    (
        "[ERROR] plugin/errors: 5 shop.example.com. A: concurrent queries exceeded maximum 1000",
        Cause("too many forwards at once", 1, "1000"),
    ),
    (
        "[ERROR] plugin/errors: 2 shop.example.com. A: dial tcp 172.18.0.5:53: connect: network is unreachable",
        Cause("no route to upstream", 1, "172.18.0.5:53"),
    ),
    (
        "[ERROR] plugin/errors: 2 shop.example.com. A: write udp 10.244.0.2:5->172.18.0.5:53: write: operation not permitted",
        Cause("not permitted to send to upstream", 1, "172.18.0.5:53"),
    ),
    (
        "E1128 10:00:00.000000       1 reflector.go:138] pkg/mod/k8s.io/client-go@v0.21.1/tools/cache/reflector.go:167: "
        "Failed to watch *v1.EndpointSlice: failed to list *v1.EndpointSlice: endpointslices.discovery.k8s.io is forbidden: User "
        '"system:serviceaccount:kube-system:coredns" cannot list resource "endpointslices" in API group "discovery.k8s.io"',
        Cause("not permitted to list", 1, "endpointslices.discovery.k8s.io"),
    ),
    (
        "[ERROR] plugin/kubernetes: pkg/mod/k8s.io/client-go@v0.32.3/tools/cache/reflector.go:251: "
        "Failed to watch *v1.Namespace: failed to list *v1.Namespace: namespaces is forbidden: User x cannot list",
        Cause("not permitted to list", 1, "namespaces"),
    ),
    (
        '[ERROR] plugin/kubernetes: "Unhandled Error" err="pkg/mod/k8s.io/client-go@v0.33.1/tools/cache/reflector.go:285: Failed '
        'to watch *v1.Service: failed to list *v1.Service: services is forbidden: User x cannot list" logger="UnhandledError"',
        Cause("not permitted to list", 1, "services"),
    ),
    (
        "[WARNING] plugin/kubernetes: starting server with unsynced Kubernetes API",
        Cause("API not read yet", 1, "unsynced Kubernetes API"),
    ),
    (
        'plugin/forward: not an IP address or file: "dns.corp.example"',
        Cause("Corefile refused", 1, 'plugin forward: not an IP address or file: "dns.corp.example"'),
    ),
    (
        "/etc/coredns/Corefile:2 - Syntax error: Unexpected token 'errors', expecting '}'",
        Cause("Corefile refused", 1, "Corefile line 2: Unexpected token 'errors', expecting '}'"),
    ),
    (
        "cannot serve dns://example.org.:53 - it is already defined",
        Cause("Corefile refused", 1, "cannot serve dns://example.org.:53 - it is already defined"),
    ),
    (
        'plugin/route53: invalid key "LEAKED"',
        Cause("Corefile refused", 1, "plugin route53: wrong value (its words are not kept)"),
    ),
    (
        "Failed to start: listen tcp 169.254.20.10:53: bind: cannot assign requested address",
        Cause("can't listen", 1, "tcp 169.254.20.10:53: bind: cannot assign requested address"),
    ),
    ('[ERROR] Recovered from panic in server: "dns://:53" runtime error', Cause("panic", 1, "Recovered from panic")),
]


@pytest.mark.parametrize(("line", "cause"), LINES, ids=lambda value: getattr(value, "name", ""))
def test_a_line_names_its_cause(line: str, cause: Cause) -> None:
    assert [(each.name, each.count, each.detail) for each in digest(line)] == [(cause.name, cause.count, cause.detail)]


def test_the_names_that_were_asked_for_are_not_kept() -> None:
    text = "\n".join(line for line, _ in LINES)
    assert "example.com" not in repr(digest(text))


def test_counts_come_first_and_the_last_line_tells_whom_it_concerns() -> None:
    first, *rest = digest("\n".join(line for line, _ in LINES))
    assert (first.name, first.count) == ("Corefile refused", 5)
    assert rest[:2] == [Cause("upstream timeout", 3, "172.18.0.5:53"), Cause("API unreachable", 2, rest[1].detail)]


def test_each_resource_that_may_not_be_listed_is_told() -> None:
    found = {cause.detail for cause in digest("\n".join(line for line, _ in LINES)) if cause.name == "not permitted to list"}
    assert found == {"endpointslices.discovery.k8s.io", "namespaces", "services"}


def test_a_long_line_ends_with_a_word() -> None:
    (cause,) = digest("[ERROR] plugin/kubernetes: Failed to list *v1.Service: " + "seven " * 50)
    assert cause.detail == "seven " * 19 + "seven …"


def test_what_a_healthy_server_writes_is_no_cause() -> None:
    assert (
        digest(
            ".:53\n[INFO] plugin/reload: Running configuration SHA512 = 1b2261\nCoreDNS-1.12.1\nlinux/amd64, go1.26.8\n"
            '[INFO] 127.0.0.1:3 - 1 "HINFO IN 1.2. udp 57 false 512" NXDOMAIN qr,rd,ra 132 0.5s\n'
            "[ERROR] plugin/errors: 2 1.2. HINFO: plugin/loop: no next plugin found\n"
        )
        == ()
    )


def test_a_cause_in_words() -> None:
    assert str(Cause("upstream timeout", 3, "172.18.0.5:53")) == "upstream timeout (172.18.0.5:53) x3"
