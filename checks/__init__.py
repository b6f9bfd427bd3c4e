# SPDX-License-Identifier: Apache-2.0
"""The built-in checks: one file a check, one value named ``check`` in each."""
