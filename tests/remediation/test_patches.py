# SPDX-License-Identifier: Apache-2.0
"""What `kubectl patch` is told."""

from __future__ import annotations

import json

from kubectl_netdoc.remediation import patches


def test_a_replacement_tests_what_it_replaces() -> None:
    assert json.loads(patches.replace({"/spec/ports/0/targetPort": (80, 8080)})) == [
        {"op": "test", "path": "/spec/ports/0/targetPort", "value": 80},
        {"op": "replace", "path": "/spec/ports/0/targetPort", "value": 8080},
    ]


def test_what_is_removed_is_tested_just_before() -> None:
    """The index of the next is only known once the one before has gone."""
    steps = json.loads(patches.remove({"/spec/ingress/2": {"from": []}, "/spec/ingress/0": {}}))
    assert [(step["op"], step["path"]) for step in steps] == [
        ("test", "/spec/ingress/2"),
        ("remove", "/spec/ingress/2"),
        ("test", "/spec/ingress/0"),
        ("remove", "/spec/ingress/0"),
    ]
    assert steps[0]["value"] == {"from": []}


def test_without_a_change_there_is_no_patch() -> None:
    assert (patches.replace({}), patches.remove({})) == ("", "")
