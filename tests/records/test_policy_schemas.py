# SPDX-License-Identifier: Apache-2.0
"""Policies that no API server takes: the corpus that tests/apiserver shows to a real one."""

from __future__ import annotations

import pytest

from kubectl_netdoc.records.base import refused
from kubectl_netdoc.records.kinds import KINDS
from tests.support.policy_corpus import Sample, samples


@pytest.mark.parametrize("sample", list(samples()), ids=str)
def test_what_servers_refuse_is_refused_and_nothing_else(sample: Sample) -> None:
    why = refused(KINDS[sample.kind.split()[1]], sample.document)
    assert not why if sample.taken else why.startswith("spec"), why
