# SPDX-License-Identifier: Apache-2.0
"""The command line: one file a verb, each parses, calls and turns what comes back into an exit code."""
