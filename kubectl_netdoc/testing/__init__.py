# SPDX-License-Identifier: Apache-2.0
"""What the author of a check imports for its tests: clusters in a line or two, and what a check says of them.

Everything built is two hours old and well unless told otherwise. A test asserts codes and subjects, never sentences:

    cluster = make_cluster(make_service("web", selector={"app": "web"}), make_pod("web-1", labels={"app": "web"}))
    assert judge(check, cluster) == {("SVC004", "Service shop/web")}

docs/stability.md says what stays.
"""

from kubectl_netdoc.core.cluster import Selection
from kubectl_netdoc.engine.registry import described
from kubectl_netdoc.engine.run import CheckRun as CheckOutcome
from kubectl_netdoc.engine.run import state
from kubectl_netdoc.records.kinds import DAEMON_SET, DEPLOYMENT, JOB, REPLICA_SET, STATEFUL_SET
from kubectl_netdoc.testing.builders import (
    NOW,
    OLD,
    Built,
    ago,
    make_cluster,
    make_corefile,
    make_dns_log,
    make_dns_reply,
    make_event,
    make_gateway_object,
    make_ingress,
    make_ingress_class,
    make_namespace,
    make_node,
    make_node_condition,
    make_pod,
    make_policy,
    make_service,
    make_slice,
    make_tls_secret,
    make_workload,
)
from kubectl_netdoc.testing.cases import (
    Answers,
    Case,
    judge,
    measured,
    outcome,
    pairs,
)

__all__ = [
    "DAEMON_SET",
    "DEPLOYMENT",
    "JOB",
    "NOW",
    "OLD",
    "REPLICA_SET",
    "STATEFUL_SET",
    "Answers",
    "Built",
    "Case",
    "CheckOutcome",
    "Selection",
    "ago",
    "described",
    "judge",
    "make_cluster",
    "make_corefile",
    "make_dns_log",
    "make_dns_reply",
    "make_event",
    "make_gateway_object",
    "make_ingress",
    "make_ingress_class",
    "make_namespace",
    "make_node",
    "make_node_condition",
    "make_pod",
    "make_policy",
    "make_service",
    "make_slice",
    "make_tls_secret",
    "make_workload",
    "measured",
    "outcome",
    "pairs",
    "state",
]
