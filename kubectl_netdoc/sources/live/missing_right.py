# SPDX-License-Identifier: Apache-2.0
"""Which right a refused request lacked: as the server's own words say, or else as the server answers when it is asked.

RBAC's refusals name verb, resource and namespace (k8s.io/apiserver, pkg/endpoints/handlers/responsewriters/errors.go). Refusals
from behind the authorizer may name none: the second right for an exec (pkg/registry/core/pod/rest/authorize.go), proxies.
"""

from __future__ import annotations

from kubectl_netdoc import versions
from kubectl_netdoc.core.facts import PodProblem
from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.sources import SourceError
from kubectl_netdoc.sources.live import access, admission, lists, rights
from kubectl_netdoc.sources.live.client import ApiError, Client


def of(client: Client, error: ApiError, *tried: Grant) -> Grant | None:
    """Return which right of those that it needs (``tried``) a refused request lacked; None where rights are not the reason."""
    if error.status != 403:
        return None
    if named := rights.named(error.message, tried):
        return named
    if admission.refusal(error) is not PodProblem.FORBIDDEN:
        return None
    try:
        answers = access.allowed(client, tried)
    except SourceError:
        return tried[0] if len(tried) == 1 else None
    return next((rule for rule in tried if not answers[rule]), None)


def of_exec(client: Client, error: ApiError, namespace: str) -> Grant | None:
    """Return the right that a refused exec into a pod of a namespace ("": of one that each run makes) lacked."""
    try:
        version = lists.server_version(client)
    except SourceError:
        version = ""
    found = versions.parse(version)
    uses = (use for use in rights.measuring(namespace) if use.rule.resource == "pods/exec")
    return of(client, error, *(use.rule for use in uses if not found or use.since <= found))


def clause(grant: Grant | None) -> str:
    """Return a right that is missing as the end of a sentence; "" for none."""
    return f"; missing right: {grant}" if grant else ""
