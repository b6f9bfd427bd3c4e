# SPDX-License-Identifier: Apache-2.0
"""The digest of DNS logs, on lines as CoreDNS 1.12 writes them (most of them taken from the lab)."""

from __future__ import annotations

import pytest

from kubectl_netdoc.dnslog import Cause, digest

LINES = [
    (
        '[FATAL] plugin/loop: Loop (127.0.0.1:57423 -> :53) detected for zone ".", see https://coredns.io/plugins/loop#'
        'troubleshooting. Query: "HINFO 4547991504243258144.3688648895315093531."',
        Cause("loop", 1, "127.0.0.1:57423 -> :53"),
    ),
    (
        "/etc/coredns/Corefile:15 - Error during parsing: Unknown directive 'loadbalnce'",
        Cause("Corefile refused", 1, "Unknown directive 'loadbalnce'"),
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
    ('[ERROR] Recovered from panic in server: "dns://:53" runtime error', Cause("panic", 1, "Recovered from panic")),
]


@pytest.mark.parametrize(("line", "cause"), LINES, ids=lambda value: getattr(value, "name", ""))
def test_a_line_names_its_cause(line: str, cause: Cause) -> None:
    assert digest(line) == (cause,)


def test_the_names_that_were_asked_for_are_not_kept() -> None:
    text = "\n".join(line for line, _ in LINES)
    assert "example.com" not in repr(digest(text))


def test_counts_come_first_and_the_last_line_tells_whom_it_concerns() -> None:
    first, *rest = digest("\n".join(line for line, _ in LINES))
    assert (first, len(rest)) == (Cause("upstream timeout", 3, "172.18.0.5:53"), 5)


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
