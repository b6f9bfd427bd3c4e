# SPDX-License-Identifier: Apache-2.0
"""Fields that a record does not know, and what is kept of policies that have some."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubectl_netdoc.records.antrea_policies import AntreaPolicySpec
from kubectl_netdoc.records.base import Kind, convert
from kubectl_netdoc.records.cilium_policies import CiliumRules
from kubectl_netdoc.records.kinds import ANTREA_POLICY, CILIUM_POLICY
from kubectl_netdoc.records.unknown_fields import unknown_fields

CILIUM = {"endpointSelector": {}, "ingress": [{"fromEndpoints": [], "toPorts": [{"ports": [{"port": "80"}]}]}]}
ANTREA = {
    "priority": 5,
    "appliedTo": [{"podSelector": {}}],
    "egress": [{"action": "Drop", "to": [{"ipBlock": {"cidr": "::/0"}}]}],
}


@pytest.mark.parametrize(
    ("record", "value", "wanted"),
    [
        (CiliumRules, CILIUM, []),
        (CiliumRules, CILIUM | {"moon": 1}, ["moon"]),
        (CiliumRules, CILIUM | {"description": "x", "labels": [{"key": "a"}], "log": {"value": "x"}}, []),
        (
            CiliumRules,
            {"ingress": [{}, {"toPorts": [{"ports": [{"port": "1", "x": 1}], "y": 2}]}]},
            ["ingress.toPorts.ports.x", "ingress.toPorts.y"],
        ),
        (CiliumRules, {"enableDefaultDeny": {"ingress": False, "z": True}}, ["enableDefaultDeny.z"]),
        (CiliumRules, {"endpointSelector": {"matchLabels": {"any": "label"}}}, []),
        (CiliumRules, {"egress": [{"toServices": [{"anything": 1}]}]}, []),
        (AntreaPolicySpec, ANTREA, []),
        (AntreaPolicySpec, {"ingress": [{"from": [{"podSelector": {"x": 1}}], "name": "n"}]}, ["ingress.from.podSelector.x"]),
    ],
)
def test_unknown_fields(record: type[msgspec.Struct], value: dict[str, Any], wanted: list[str]) -> None:
    assert list(unknown_fields(record, value)) == wanted


@pytest.mark.parametrize(("kind", "spec"), [(CILIUM_POLICY, CILIUM), (ANTREA_POLICY, ANTREA)])
def test_a_policy_is_the_same_from_a_bundle(kind: Kind[Any], spec: dict[str, Any]) -> None:
    live = convert(kind, {"metadata": {"name": "p", "namespace": "a"}, "spec": spec | {"moon": None, "sun": 1}})
    assert live.spec.unknown == ("spec.sun",)
    assert msgspec.json.decode(msgspec.json.encode(live), type=kind.record) == live


def test_a_list_that_is_empty_is_not_one_that_is_absent() -> None:
    [rules] = convert(CILIUM_POLICY, {"spec": CILIUM}).spec.sets.values()
    assert rules.ingress[0].from_endpoints == ()
    assert rules.ingress[0].from_entities is None


def test_sets_of_rules_are_kept_by_their_place() -> None:
    assert list(convert(CILIUM_POLICY, {"specs": [CILIUM, CILIUM]}).spec.sets) == ["specs[0]", "specs[1]"]
    assert list(convert(CILIUM_POLICY, {"spec": CILIUM, "specs": [CILIUM]}).spec.sets) == ["spec", "specs[0]"]
    assert convert(CILIUM_POLICY, {}).spec.sets == {}


def test_a_spec_of_another_form_is_no_policy() -> None:
    with pytest.raises(msgspec.ValidationError):
        convert(CILIUM_POLICY, {"spec": {"ingress": "x"}})
