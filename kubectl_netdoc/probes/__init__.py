# SPDX-License-Identifier: Apache-2.0
"""Whom netdoc measures: which pairs of nodes, Services and pods, and what policies do to netdoc's own pods."""
