# SPDX-License-Identifier: Apache-2.0
"""The run: checks are found, plan, are measured for, judge; their findings are joined to causes and compared."""
