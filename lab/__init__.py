# SPDX-License-Identifier: Apache-2.0
"""A real cluster to test on, and the faults to break it with."""
