# SPDX-License-Identifier: Apache-2.0
"""The rules by which policies are refused, held against a real API server: both refuse the same."""

from __future__ import annotations

from tests.support.policy_corpus import ADMIN, BASELINE, CLUSTER, CLUSTER_BEFORE, NAMESPACED, samples
from tests.support.real_api_server import RealServer, definitions

WHERE = {
    CLUSTER: "v0.3.0",
    CLUSTER_BEFORE: "v0.3.0",
    ADMIN: "v0.1.7",
    BASELINE: "v0.1.7",
    NAMESPACED: "",
}


def test_the_server_refuses_what_netdoc_says_it_does(server: RealServer) -> None:
    for version in dict.fromkeys(filter(None, WHERE.values())):
        server.define(definitions(f"sigs.k8s.io/network-policy-api@{version}", "experimental"))
    wrong = {str(sample): why for sample in samples() if bool(why := server.refusal(sample.document)) == sample.taken}
    assert wrong == {}
