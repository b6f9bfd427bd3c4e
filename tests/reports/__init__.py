# SPDX-License-Identifier: Apache-2.0
"""Small inputs of the shapes that public bug reports had, with the answers that are wanted; names and values are our own."""
