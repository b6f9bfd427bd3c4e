# SPDX-License-Identifier: Apache-2.0
"""Amounts, against kubernetes.utils.quantity; where that is wrong, against what k8s.io/apimachinery v0.34.1 said when asked."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity  # noqa: TID251 - the oracle

from kubectl_netdoc.formats.quantity import cores

SUFFIXES = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
DIGITS = st.text("0123456789", min_size=1, max_size=15)
NUMBER = st.one_of(
    DIGITS, st.builds("{}.{}".format, DIGITS, DIGITS), st.builds("{}.".format, DIGITS), st.builds(".{}".format, DIGITS)
)
SIGNED = st.builds("{}{}".format, st.sampled_from(["", "+", "-"]), NUMBER)
EXPONENT = st.builds("{}{}".format, st.sampled_from(["e", "E", "e+", "E-"]), st.integers(0, 20))


@given(st.builds("{}{}".format, SIGNED, st.one_of(st.sampled_from(SUFFIXES), EXPONENT)))
@example("250m")
@example("12345678n")
@example("1E")
@example("1E3")
def test_what_the_api_writes_is_read_as_the_library_does(text: str) -> None:
    found = cores(text)
    assert found is not None
    assert math.isclose(found, parse_quantity(text), rel_tol=1e-12)


@given(st.text("0123456789.+-eEinumkKMGTP", max_size=8))
def test_what_is_none_is_none_of_the_librarys_either(text: str) -> None:
    try:
        expected = float(parse_quantity(text))
    except ValueError:
        assert cores(text) is None
    else:
        assert cores(text) is None or cores(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["1e3k", "1e3e3", "1ki", "1mi", "1e", "1e1.5", "", "1 ", "١", "1_000", "NaN", "Infinity", "1µ"])
def test_what_apimachinery_refuses_is_none(text: str) -> None:
    """The library takes the first and those that only Python's Decimal reads: 1e3k, ١, 1_000, NaN, Infinity."""
    assert cores(text) is None


@pytest.mark.parametrize("text", ["k", ".", ".m"])
def test_a_suffix_without_digits_is_none(text: str) -> None:
    """Apimachinery reads a 0, the library refuses it; the API server writes neither."""
    assert cores(text) is None


@pytest.mark.parametrize(("number", "want"), [(2, 2.0), (0.25, 0.25), (1e-7, 1e-7)])
def test_numbers_of_json_are_cores(number: float, want: float) -> None:
    assert cores(number) == want
