# SPDX-License-Identifier: Apache-2.0
"""Network policies: whom they cover, and whether anything enforces them."""
