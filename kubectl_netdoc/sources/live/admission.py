# SPDX-License-Identifier: Apache-2.0
"""Why an API server refuses an object, by the text of the refusal: most are 403, whatever refuses.

The texts are those of RBAC, ResourceQuota, LimitRanger, Pod Security, OpenShift's SecurityContextConstraints, Kyverno, Gatekeeper
and ValidatingAdmissionPolicy.
"""

from __future__ import annotations

import re

from kubectl_netdoc.core.facts import PodProblem
from kubectl_netdoc.sources.live.client import ApiError

SHOWN = 250
"""Most characters of a refusal that are shown: OpenShift names each of a dozen SecurityContextConstraints."""

ANSWERS = (
    (r"\blabels?\b|metadata/labels", "use --label KEY=VALUE to put a label on every object that netdoc creates"),
    (r"\b(limits?|requests|must specify|usage per)\b", "use --pod-limits and --pod-requests to set what the cluster demands"),
    (r"\b(registry|registries|images?|repos?|repositor(y|ies))\b", "use --image to name an image that is allowed"),
    (
        r"(?<![\"\w])hostnetwork(?!-v)|host network|hostpath|host namespaces|net_admin",
        "without --node-checks and --privileged netdoc creates no such pod",
    ),
    (
        r"security context constraint",
        "you need the right to use an SCC that admits such a pod, in --pod-namespace or cluster-wide",
    ),
)
"""A pattern in a refusal, and the flag that helps."""


def refusal(error: ApiError) -> PodProblem:
    """Return why a pod was refused."""
    text = error.message.lower()
    if "exceeded quota" in text or "failed quota" in text:
        return PodProblem.QUOTA
    if "serviceaccount" in text and "not found" in text:
        return PodProblem.ACCOUNT
    words = ("violates podsecurity", "admission", "denied", "security context constraint", "usage per ")
    if error.status != 401 and any(word in text for word in words):
        return PodProblem.ADMISSION
    return PodProblem.FORBIDDEN if error.status == 403 else PodProblem.API


def explained(error: ApiError) -> str:
    """Return a refusal, shortened, with the flags that help."""
    text = " ".join(error.message.split())
    if refusal(error) not in (PodProblem.QUOTA, PodProblem.ADMISSION):
        return text
    answers = [flag for pattern, flag in ANSWERS if re.search(pattern, text.lower())]
    short = text if len(text) <= SHOWN else f"{text[:SHOWN]} …"
    return "; ".join((short, *answers))


def passing(text: str) -> bool:
    """Tell whether a new namespace only lacks what controllers add a moment later: its ServiceAccount, OpenShift's user ids."""
    return ("serviceaccount" in text and "not found" in text) or "unable to find annotation openshift.io/" in text


def refuses_user(text: str) -> bool:
    """Tell whether the pod's user id is what is refused: OpenShift gives each namespace a range and picks an id itself."""
    return "runAsUser: Invalid value" in text
