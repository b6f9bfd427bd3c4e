# SPDX-License-Identifier: Apache-2.0
"""The command line: one file per verb, which parses flags, runs, prints, and returns an exit code."""
