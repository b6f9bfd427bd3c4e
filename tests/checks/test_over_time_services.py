# SPDX-License-Identifier: Apache-2.0
"""What over_time says of an endpoint explains single connections to its Services that got lost as well."""

from __future__ import annotations

from kubectl_netdoc.core.evidence import ObjectRef
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import outcome
from tests.checks.services import over_time


def services(name: str) -> set[str]:
    """Return the Services that the findings of a case are about."""
    case = next(case for case in over_time.CASES if case.name == name)
    (check,) = registry.load().choose(["over_time"])
    found = outcome(check, case.cluster, case.measured).findings
    return {str(ref) for finding in found for ref in finding.objects("services") if isinstance(ref, ObjectRef)}


def test_the_services_of_a_pod_and_a_service_itself() -> None:
    assert services("every third connection") == {"shop/web"}
    assert services("the Service alone") == {"shop/web"}
    assert services("healthy") == set()
