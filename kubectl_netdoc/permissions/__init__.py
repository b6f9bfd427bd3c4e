# SPDX-License-Identifier: Apache-2.0
"""The least rights that a run needs."""
