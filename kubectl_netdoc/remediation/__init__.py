# SPDX-License-Identifier: Apache-2.0
"""Commands and patches that are printed: what they say, and what they do when somebody pastes them."""
