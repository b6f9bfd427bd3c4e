# SPDX-License-Identifier: Apache-2.0
"""kubectl netdoc: what is wrong with this cluster's network, why, and which command fixes it."""

__version__ = "0.1.0"
