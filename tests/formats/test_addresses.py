# SPDX-License-Identifier: Apache-2.0
"""Addresses as Kubernetes reads them: the expected values are what k8s.io/utils/net of 2026-10-23 said to each text."""

from __future__ import annotations

import pytest

from kubectl_netdoc.formats.addresses import canonical, in_any, ip_range, is_address, is_plain, is_range, odd

ADDRESSES = {
    "10.96.0.10": "10.96.0.10",
    "010.096.200.005": "10.96.200.5",
    "0000000000000000001.2.3.4": "1.2.3.4",
    "00.0.0.0": "0.0.0.0",
    "::ffff:10.2.0.1": "10.2.0.1",
    "::FFFF:010.1.1.1": "10.1.1.1",
    "::ffff:a02:1": "10.2.0.1",
    "00001::1": "1::1",
    "FD00::0001": "fd00::1",
    "::": "::",
    "1:2:3:4:5:6:7::": "1:2:3:4:5:6:7:0",
    "2001:db8::10.0.0.1": "2001:db8::a00:1",
}
RANGES = {
    "10.0.0.0/8": "10.0.0.0/8",
    "10.1.2.3/8": "10.0.0.0/8",
    "010.0.0.0/8": "10.0.0.0/8",
    "10.0.0.0/08": "10.0.0.0/8",
    "10.0.0.0/0": "0.0.0.0/0",
    "::ffff:10.2.0.0/112": "10.2.0.0/16",
    "::ffff:a02:0/112": "10.2.0.0/16",
    "::ffff:0:0/96": "0.0.0.0/0",
    "::ffff:0:0/90": "::ffc0:0:0/90",
    "::ffff:1.2.3.4/20": "::/20",
    "fd00::1/64": "fd00::/64",
}
NONE = (
    "",
    "None",
    "10.0.0",
    "fe80::1%eth0",
    "10.0.0.0/33",
    "10.0.0.0/255.0.0.0",
    "10.0.0.0/",
    "/8",
    "1:2:3:4:5:6:7:8:9",
    "256.1.1.1",
)
ODD = ("010.096.200.005", "00.0.0.0", "::ffff:10.2.0.1", "010.0.0.0/8", "10.0.0.0/08", "::ffff:10.2.0.0/112", "00001::1")


@pytest.mark.parametrize(("text", "meant"), [*ADDRESSES.items(), *RANGES.items()])
def test_a_text_is_read_as_kubernetes_reads_it(text: str, meant: str) -> None:
    assert canonical(text) == meant
    assert (is_address(text), is_range(text)) == (text in ADDRESSES, text in RANGES)
    assert canonical(meant) == meant


@pytest.mark.parametrize("text", NONE)
def test_what_kubernetes_does_not_take_is_no_address(text: str) -> None:
    assert (canonical(text), odd(text)) == (text, "")
    assert not is_address(text)
    assert not is_range(text)


@pytest.mark.parametrize("text", [*ADDRESSES, *RANGES])
def test_what_not_all_programs_read_alike_is_told(text: str) -> None:
    assert bool(odd(text)) is (text in ODD or text.lower().startswith(("::ffff:", "0000")))
    assert is_plain(text) is (text in ADDRESSES and not odd(text))


def test_ranges_of_kernels_may_be_single_addresses() -> None:
    assert [str(ip_range(text)) for text in ("10.0.0.1", "fd00::1", "10.0.0.1/24")] == [
        "10.0.0.1/32",
        "fd00::1/128",
        "10.0.0.0/24",
    ]
    assert in_any("10.0.0.1", ("10.0.0.1", "10.1.0.0/16"))
    assert not in_any("10.0.0.1", ("fd00::/64", "10.0.0.2"))
    assert not in_any("10.0.0.1", ("none",))
    assert not in_any("none", ("10.0.0.0/8",))
