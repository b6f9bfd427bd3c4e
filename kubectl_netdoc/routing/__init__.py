# SPDX-License-Identifier: Apache-2.0
"""Where the nodes' routing tables send packets for pods."""
