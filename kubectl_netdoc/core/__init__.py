# SPDX-License-Identifier: Apache-2.0
"""The data that every check gets (the cluster, the facts) and yields (findings)."""
