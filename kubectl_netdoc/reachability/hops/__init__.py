# SPDX-License-Identifier: Apache-2.0
"""The hops of a connection, each explained by policies, measurements and findings."""
