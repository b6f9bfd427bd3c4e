# SPDX-License-Identifier: Apache-2.0
"""Formats that come from a cluster, one file each, and how text is made safe to print. Imports nothing else of netdoc."""
