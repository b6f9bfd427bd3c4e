# SPDX-License-Identifier: Apache-2.0
"""Nodes: ready or not, and their links, routes, tables and load."""
