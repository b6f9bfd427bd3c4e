# SPDX-License-Identifier: Apache-2.0
"""The commands and patches in reports: their text, and what they do when somebody runs them."""
