# SPDX-License-Identifier: Apache-2.0
"""Checks for kubectl netdoc: every module of this package."""
