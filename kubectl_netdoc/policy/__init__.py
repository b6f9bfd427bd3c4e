# SPDX-License-Identifier: Apache-2.0
"""NetworkPolicy semantics: what the policies of a cluster, as written, allow, and why. Pure: no client, no clock.

``selection`` (which pods a selector selects) → ``rules`` (policies of every kind as tiers of rules) → ``engine`` (verdicts)
→ ``workloads``, ``connections``, ``coverage``, ``change`` (what people ask).
"""
