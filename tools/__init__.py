# SPDX-License-Identifier: Apache-2.0
"""What is run by hand, or by MkDocs, beside the program."""
