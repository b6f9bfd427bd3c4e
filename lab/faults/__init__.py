# SPDX-License-Identifier: Apache-2.0
"""Faults as data, and their runner."""
