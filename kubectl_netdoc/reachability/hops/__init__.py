# SPDX-License-Identifier: Apache-2.0
"""The hops of a connection, each told from policies, measurements and findings."""
