# SPDX-License-Identifier: Apache-2.0
"""A run: finds the checks, plans, measures and judges, joins findings to their causes, and compares reports."""
