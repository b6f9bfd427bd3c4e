# SPDX-License-Identifier: Apache-2.0
"""Can A reach B? What is on the way, what was measured of it, and which findings strike it."""
