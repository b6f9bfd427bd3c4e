# SPDX-License-Identifier: Apache-2.0
"""Label selectors are read as kubectl reads them (k8s.io/apimachinery, labels.Parse)."""

from __future__ import annotations

import pytest

from kubectl_netdoc.records.label_selector import BadSelector, matches, parse, text

LABELS = {"app": "web", "tier": "front", "example.com/pool": "a", "empty": ""}


@pytest.mark.parametrize(
    ("selector", "met"),
    [
        ("", True),
        ("  ", True),
        ("app=web", True),
        ("app==web", True),
        (" app = web ", True),
        ("app=db", False),
        ("app!=db", True),
        ("app!=web", False),
        ("missing!=x", True),
        ("missing=x", False),
        ("app in (web,db)", True),
        ("app in ( db , web )", True),
        ("app in (db)", False),
        ("app notin (db,cache)", True),
        ("app notin (web)", False),
        ("missing notin (x)", True),
        ("missing in (x)", False),
        ("app", True),
        ("missing", False),
        ("!app", False),
        ("!missing", True),
        ("! missing", True),
        ("app=web,tier=front", True),
        ("app in (web,db),tier!=back,!missing", True),
        ("app=web,tier=back", False),
        ("example.com/pool=a", True),
        ("example.com/pool in (b,c)", False),
        ("empty=", True),
        ("app=", False),
        ("empty in ()", True),
        ("in=x", False),
        ("notin", False),
    ],
)
def test_what_meets_a_selector(selector: str, met: bool) -> None:
    assert matches(parse(selector), LABELS) is met


@pytest.mark.parametrize(
    "selector",
    [
        "=web",
        "app=web=db",
        "app in web",
        "app in (web",
        "app in",
        "app,",
        ",app",
        "app,,tier",
        "app web",
        "-app=web",
        "app=-web",
        "app=we b",
        "app in (we b)",
        "app in (-x)",
        "app!",
        "!",
        "!app=web",
        "a/b/c=d",
        "UPPER.example/x=y",
        "app=" + "x" * 64,
        "x" * 64,
        "app=wéb",
        "app>1",
        "app=\x1b[31m",
    ],
)
def test_what_is_no_selector(selector: str) -> None:
    with pytest.raises(BadSelector):
        parse(selector)


@pytest.mark.parametrize(
    "selector", ["app=web", "app!=web", "app in (a,b)", "app notin (a,b)", "app", "!app", "a=b,!c,d in (e,f)"]
)
def test_a_selector_as_text_is_the_same_again(selector: str) -> None:
    assert text(parse(selector)) == selector
    assert parse(text(parse(selector))) == parse(selector)
