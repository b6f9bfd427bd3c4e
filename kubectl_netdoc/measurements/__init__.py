# SPDX-License-Identifier: Apache-2.0
"""The measurements in a cluster: requests with their replies, and the limits of the load."""
