# SPDX-License-Identifier: Apache-2.0
"""Services: what they select, who carries their addresses, and whether connections get through."""
