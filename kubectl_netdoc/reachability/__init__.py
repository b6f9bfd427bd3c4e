# SPDX-License-Identifier: Apache-2.0
"""Can A reach B? What lies between them, what was measured there, and which findings concern that connection."""
