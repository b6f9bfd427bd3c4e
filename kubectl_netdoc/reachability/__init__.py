# SPDX-License-Identifier: Apache-2.0
"""Answers whether A can reach B: what lies between them, what was measured there, and which findings concern the connection."""
