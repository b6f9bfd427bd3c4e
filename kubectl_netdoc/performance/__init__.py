# SPDX-License-Identifier: Apache-2.0
"""What the network carries and what that costs: which paths a benchmark measures, its figures, and how two of them differ."""
