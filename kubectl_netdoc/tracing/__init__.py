# SPDX-License-Identifier: Apache-2.0
"""What traces of marked packets mean: the hops they took, where they ended, and what took them."""
