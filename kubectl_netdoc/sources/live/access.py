# SPDX-License-Identifier: Apache-2.0
"""Asks the API server which rights the user has, one SelfSubjectAccessReview per rule; every authenticated user may.

The list of all rules (SelfSubjectRulesReview) is not used: it is incomplete if a webhook decides, as on most managed clusters.
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct, field

from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.sources import UNREADABLE, SourceError
from kubectl_netdoc.sources.live.client import ApiError, Client

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
AT_ONCE = 8


class _Verdict(Struct):
    allowed: bool = False


class _Review(Struct):
    status: _Verdict = field(default_factory=_Verdict)


class _User(Struct):
    username: str = ""


class _UserInfo(Struct):
    user: _User = field(name="userInfo", default_factory=_User)


class _Whoami(Struct):
    status: _UserInfo = field(default_factory=_UserInfo)


def allowed(client: Client, rules: Collection[Grant]) -> dict[Grant, bool]:
    """Return for each rule whether the user has all of it; raises ``SourceError`` if the server does not answer."""
    asked = [(rule, name) for rule in rules for name in rule.names or ("",)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = list(pool.map(lambda question: _ask(client, *question), asked))
    answers = dict.fromkeys(rules, True)
    for (rule, _), verdict in zip(asked, verdicts, strict=True):
        answers[rule] &= verdict
    return answers


def _ask(client: Client, rule: Grant, name: str) -> bool:
    resource, _, subresource = rule.resource.partition("/")
    attributes = {"verb": rule.verb, "group": rule.group, "resource": resource, "subresource": subresource}
    attributes |= {"namespace": rule.namespace, "name": name}
    body = {"spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}}}
    try:
        return strict_json.decode(client.request("POST", REVIEWS, body=body), _Review).status.allowed
    except (ApiError, *UNREADABLE) as error:
        raise SourceError(f"{client.host} can't say which rights context {client.context} has: {error}") from error


def username(client: Client) -> str:
    """Return the user's name on the server; "" if it does not tell (old versions, ``self-review``)."""
    try:
        return strict_json.decode(client.request("POST", WHOAMI, body={}), _Whoami).status.user.username
    except (ApiError, *UNREADABLE):
        return ""
