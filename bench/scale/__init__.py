# SPDX-License-Identifier: Apache-2.0
"""How fast a check reads and judges a cluster of any size, from a real API server: see ``__main__``."""
