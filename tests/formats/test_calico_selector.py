# SPDX-License-Identifier: Apache-2.0
"""Selectors of Calico, as its own documents and tests have them; worked by hand."""

from __future__ import annotations

import pytest

from kubectl_netdoc.formats.calico_selector import Labels, parse

LABELS = {"app": "web", "tier": "front-end", "team.example/name": "a"}
HOLD = (
    "",
    "all()",
    "has(app)",
    "!has(gone)",
    "app == 'web'",
    'app == "web"',
    "app=='web'",
    "app != 'db'",
    "gone != 'x'",
    "app in {'db', 'web'}",
    "app in { 'web' , }",
    "app not in {'db'}",
    "gone not in {'db'}",
    "tier contains 'nt-e'",
    "tier starts with 'front'",
    "tier ends with 'end'",
    "team.example/name == 'a'",
    "app == 'db' || tier == 'front-end'",
    "app == 'web' || app == 'db' && tier == 'none'",
    "!(app == 'db') && has(tier)",
    "!app == 'db'",
    "!!has(app)",
    "has( app )",
)
DO_NOT = (
    "!all()",
    "has(gone)",
    "app == 'db'",
    "app != 'web'",
    "gone == ''",
    "app in {'db'}",
    "app in {}",
    "app not in {'web', 'db'}",
    "gone contains 'x'",
    "gone starts with ''",
    "tier ends with 'front'",
    "(app == 'web' || app == 'db') && tier == 'none'",
    "!(app == 'web' || has(gone))",
)
WRONG = (
    "app",
    "app ==",
    "app == web",
    "has(",
    "has(app",
    "(has(app)",
    "has(app))",
    "app == 'web' &&",
    "&& has(app)",
    "app in 'x'",
    "$",
    "app is 'x'",
)


@pytest.mark.parametrize("text", HOLD)
def test_it_holds(text: str) -> None:
    assert parse(text).select(Labels(LABELS)) == 1


@pytest.mark.parametrize("text", DO_NOT)
def test_it_does_not_hold(text: str) -> None:
    assert parse(text).select(Labels(LABELS)) == 0


@pytest.mark.parametrize("text", WRONG)
def test_it_is_no_selector(text: str) -> None:
    with pytest.raises(ValueError, match="selector"):
        parse(text)


def test_labels_named() -> None:
    assert set(parse("has(a) && !(b == 'x' || c in {'y'}) && all()").labels()) == {"a", "b", "c"}
