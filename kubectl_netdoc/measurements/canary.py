# SPDX-License-Identifier: Apache-2.0
"""The canary, a policy that netdoc creates for its own pods and deletes again: request and reply."""

from __future__ import annotations

from msgspec import Struct


class Canary(Struct, frozen=True, tag="canary"):
    """Find out whether policies are enforced on ``node``: allowed, then denied, then allowed again, each way.

    The subject is a pod of its own on that node; the other ends are debug pods, there and on node ``other`` ("": none). A
    NetworkPolicy that selects the subjects alone denies everything to and from them, for a while.
    """

    node: str
    other: str = ""


class CanaryTrial(Struct, frozen=True, tag="trial", omit_defaults=True):
    """One direction of the canary: ``Ingress`` from the other end to the subject, ``Egress`` from the subject to it.

    ``before``: whether the proof came through before the policy. ``stopped``: seconds from the policy's creation until it no
    longer did, -1 where it never stopped, and ``how`` it was stopped. ``again``: seconds from the policy's removal until it
    came through again, -1 where it never did.
    """

    direction: str
    other: str
    before: bool
    stopped: float = -1.0
    how: str = ""
    again: float = -1.0


class CanaryReply(Struct, frozen=True, tag="canary", omit_defaults=True):
    """All paths of the canary of one node, and how many seconds the policy engine got to block or allow them."""

    trials: tuple[CanaryTrial, ...]
    waited: float = 0.0
