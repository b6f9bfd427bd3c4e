# SPDX-License-Identifier: Apache-2.0
"""NetworkPolicy semantics: what the policies of a cluster, as written, allow, and why. Pure: no client, no clock.

``selection`` (which pods a selector selects) → ``rules`` (policies of every kind as tiers of rules) → ``judging`` (one end's
policies) → ``engine`` (verdicts on two ends) → ``workloads``, ``connections``, ``coverage``, ``diff`` (the questions of users).
"""
