# SPDX-License-Identifier: Apache-2.0
"""Lines of the Prometheus text format."""

from __future__ import annotations

from kubectl_netdoc.formats.prometheus_text import Metrics

PAGE = Metrics(
    (
        "# HELP coredns_panics_total Counter of panics.",
        "coredns_panics_total 2",
        'requests{to="[fd00::1]:53",rcode="NOERROR"} 3',
        'requests{to="[fd00::1]:53",rcode="SERVFAIL"} 1.5e+1 1700000000',
        'requests{to="10.0.0.1:53",rcode="NOERROR"} 4',
        r'odd{a="with \"quotes\" and } brace",b="x"} 1',
        "broken NaN",
        "endless +Inf",
        "no value",
        "",
    )
)


def test_series_are_summed_up() -> None:
    assert PAGE.total("requests") == 22
    assert PAGE.total("coredns_panics_total", "requests", where=lambda labels: "rcode" not in labels) == 2


def test_series_are_summed_up_by_a_label() -> None:
    assert PAGE.by("to", "requests") == {"[fd00::1]:53": 18, "10.0.0.1:53": 4}
    assert PAGE.by("nothing", "requests") == {"": 22}


def test_labels_may_hold_quotes_and_braces() -> None:
    assert [item.labels["b"] for item in PAGE.of("odd")] == ["x"]


def test_what_is_no_number_is_left_out() -> None:
    assert {item.name for item in PAGE.series} == {"coredns_panics_total", "requests", "odd"}
