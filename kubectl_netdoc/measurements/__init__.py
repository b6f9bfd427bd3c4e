# SPDX-License-Identifier: Apache-2.0
"""What can be measured from inside a cluster: each request beside its reply, and what bounds the load."""
