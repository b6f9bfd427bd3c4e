# SPDX-License-Identifier: Apache-2.0
"""The network between pods: its agents, addresses, paths and MTU."""
