# SPDX-License-Identifier: Apache-2.0
"""Other people's lists of faults, mechanism by mechanism, against the faults of the lab."""

import pytest

from bench.elsewhere import List, read, table
from bench.matrix import Verdict
from lab.faults.model import names

LISTS = read()


@pytest.mark.parametrize("each", LISTS, ids=lambda each: each.name)
def test_a_list_has_all_its_mechanisms(each: List) -> None:
    assert len(each.mechanisms) == each.count
    assert each.what
    assert len({mechanism.what for mechanism in each.mechanisms}) == each.count


@pytest.mark.parametrize("each", LISTS, ids=lambda each: each.name)
def test_each_mechanism_is_a_fault_that_there_is_or_has_a_reason(each: List) -> None:
    for mechanism in each.mechanisms:
        assert set(mechanism.faults) <= set(names())
        assert bool(mechanism.faults) != (len(mechanism.why.split()) > 3), mechanism.what


def test_a_mechanism_is_right_where_all_its_faults_are() -> None:
    of = next(each for each in LISTS if each.name == "itbench")
    faults = sorted({name for mechanism in of.mechanisms for name in mechanism.faults})
    said = {name: Verdict(name=name, kind="fault", commit="", when="", seconds=1, right=name != faults[0]) for name in faults}
    line = next(line for line in table(said, said).splitlines() if "ITBench" in line)
    judged = sum(bool(mechanism.faults) for mechanism in of.mechanisms)
    wrong = sum(faults[0] in mechanism.faults for mechanism in of.mechanisms)
    assert wrong
    assert f"{judged - wrong} of {judged}" in line
