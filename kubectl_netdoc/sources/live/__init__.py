# SPDX-License-Identifier: Apache-2.0
"""A live cluster: lists, debug pods, exec."""
