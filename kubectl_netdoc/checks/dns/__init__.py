# SPDX-License-Identifier: Apache-2.0
"""Names: what cluster DNS is set to, and how its servers answer."""
