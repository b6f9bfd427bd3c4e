# SPDX-License-Identifier: Apache-2.0
"""The nodes' routing tables, and where they send packets for pods."""
