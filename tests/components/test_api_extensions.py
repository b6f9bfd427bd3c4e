# SPDX-License-Identifier: Apache-2.0
"""Whom the API server calls: which webhooks keep a new Service from its endpoints, and that explain one that leads nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from kubectl_netdoc.components import api_extensions
from kubectl_netdoc.core.facts import Facts, Measured
from kubectl_netdoc.core.finding import Finding, Subject
from kubectl_netdoc.engine import registry
from kubectl_netdoc.engine.root_causes import link
from kubectl_netdoc.records.api_extensions import VALIDATING_WEBHOOKS
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import make_cluster

SLICES = {"operations": ["CREATE"], "apiGroups": ["discovery.k8s.io"], "apiVersions": ["v1"], "resources": ["endpointslices"]}
EVERYTHING = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}
NOT_SYSTEM = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]}]}
OPTED_IN = {"matchLabels": {"guarded": "yes"}}
CLIENT = {"service": {"namespace": "guard", "name": "guard"}}


def hook(rule: dict[str, Any], **more: Any) -> Any:
    """A configuration of one webhook."""
    webhook = {"name": "guard.example", "clientConfig": CLIENT, "rules": [rule], **more}
    return VALIDATING_WEBHOOKS, convert(VALIDATING_WEBHOOKS, {"metadata": {"name": "guard"}, "webhooks": [webhook]})


@pytest.mark.parametrize(
    ("rule", "more", "slices"),
    [
        (SLICES, {}, True),
        (EVERYTHING, {}, True),
        (SLICES, {"namespaceSelector": NOT_SYSTEM}, True),
        (SLICES, {"namespaceSelector": OPTED_IN}, False),
        (SLICES, {"objectSelector": OPTED_IN}, False),
        (SLICES | {"operations": ["DELETE"]}, {}, False),
        (SLICES | {"resources": ["pods"], "apiGroups": [""]}, {}, False),
    ],
)
def test_a_webhook_of_slices(rule: dict[str, Any], more: dict[str, Any], slices: bool) -> None:
    assert [caller.slices for caller in api_extensions.callers(make_cluster(hook(rule, **more)))] == [slices]


@pytest.mark.parametrize(("rule", "explained"), [(SLICES, True), (SLICES | {"resources": ["pods"], "apiGroups": [""]}, False)])
def test_new_services_lead_nowhere_because_of_it_or_not(rule: dict[str, Any], explained: bool) -> None:
    known = registry.load()
    cluster = make_cluster(hook(rule), vantages=("n1", "n2"))
    codes = {code: entry[1] for code, entry in known.codes.items()}
    check = known.choose(["control_plane_paths"])[0]
    said = check.analyse(Facts(cluster, Measured(why_unmeasured="--no-pods")).of(check.id, check.needs.all_kinds))
    nowhere = codes["SVR009"].on(Subject("Cluster", "new Services"), seconds=5, nodes=["n1", "n2"])
    linked = {f.code: f for f in link([*(item for item in said if isinstance(item, Finding)), nowhere], codes)}
    assert (linked["SVR009"].explained_by != "", "CPL011" in linked) == (explained, explained)
