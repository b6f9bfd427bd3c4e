# SPDX-License-Identifier: Apache-2.0
"""Lines of the Prometheus text format, against prometheus_client's parser."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from kubectl_netdoc.formats.prometheus_text import Metrics, Series

ROOT = Path(__file__).parents[2]
BUNDLES = sorted([*(ROOT / "tests" / "bundles").glob("*.json"), *(ROOT / "demo").glob("*.json")])

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


def by_the_library(lines: list[str]) -> list[Series]:
    families = text_string_to_metric_families("\n".join(lines) + "\n")
    samples = [Series(sample.name, sample.labels, float(sample.value)) for family in families for sample in family.samples]
    return [sample for sample in samples if math.isfinite(sample.value)]


def as_set(series: list[Series]) -> set[tuple[Any, ...]]:
    return {(item.name, tuple(sorted(item.labels.items())), item.value) for item in series}


BLANKS = st.text(" \t", max_size=2)
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
VALUE = st.text(st.sampled_from('aZ09 {}=,:#"\\\nnñ世.'), max_size=6).map(lambda text: "".join(ESCAPES.get(c, c) for c in text))
KEY = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,6}", fullmatch=True)
SPECIAL = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}
NUMBER = st.one_of(st.floats(), st.integers()).map(lambda number: SPECIAL.get(str(number), str(number)))


@st.composite
def lines_of_a_page(draw: Any) -> str:
    """A valid line: blanks are free around every token, a comma may end the labels, a time may follow the value."""
    text = draw(BLANKS) + draw(st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", fullmatch=True))
    labels = draw(st.none() | st.dictionaries(KEY, VALUE, max_size=3))
    if labels is None:
        text += " "
    else:
        pairs = [f'{draw(BLANKS)}{key}{draw(BLANKS)}={draw(BLANKS)}"{value}"{draw(BLANKS)}' for key, value in labels.items()]
        text += f"{draw(BLANKS)}{{{','.join(pairs)}{',' if pairs and draw(st.booleans()) else ''}}}"
    when = draw(st.sampled_from(["", " ", " 1700000000000", "\t-5 "]))
    return f"{text}{draw(BLANKS)}{draw(NUMBER)}{when}"


@given(st.lists(lines_of_a_page(), max_size=3))
def test_every_valid_line_is_read_as_the_library_does(lines: list[str]) -> None:
    assert as_set(Metrics(lines).series) == as_set(by_the_library(lines))


def _pages(value: Any) -> Iterator[list[str]]:
    if isinstance(value, dict):
        if value.get("type") == "http" and value.get("lines"):
            yield value["lines"]
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from _pages(item)


KUBE_PROXY = """\
# HELP kubeproxy_sync_proxy_rules_duration_seconds [ALPHA] SyncProxyRules latency in seconds
# TYPE kubeproxy_sync_proxy_rules_duration_seconds histogram
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.001"} 0
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="+Inf"} 25
kubeproxy_sync_proxy_rules_duration_seconds_sum{ip_family="IPv4"} 0.6514912960000001
kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"} 25
# HELP kubeproxy_sync_proxy_rules_last_timestamp_seconds [ALPHA] The last time proxy rules were successfully synced
# TYPE kubeproxy_sync_proxy_rules_last_timestamp_seconds gauge
kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} 1.7640208417712376e+09
# HELP rest_client_requests_total [BETA] Number of HTTP requests, partitioned by status code, method, and host.
# TYPE rest_client_requests_total counter
rest_client_requests_total{code="200",host="netdoc-control-plane:6443",method="GET"} 312
"""


def test_what_real_servers_print_is_read_as_the_library_does() -> None:
    """CoreDNS as recorded on the lab, and kube-proxy's forms: histograms, and times with an exponent."""
    pages = [page for path in BUNDLES for page in _pages(json.loads(path.read_text()))]
    assert "coredns_build_info" in {item.name for page in pages for item in Metrics(page).series}
    for page in (*pages, KUBE_PROXY.splitlines()):
        assert as_set(Metrics(page).series) == as_set(by_the_library(page))


@pytest.mark.parametrize(
    "line", ['a{b="c', 'a{b="c} 1', "a{b=c} 1", 'a{"b"="c"} 1', '{"a.b",c="d"} 1', "1a 1", "a", "a{} ", "# a 1"]
)
def test_a_line_that_is_cut_or_no_sample_is_left_out(line: str) -> None:
    assert Metrics([line]).series == []
