# SPDX-License-Identifier: Apache-2.0
"""The built-in checks: one question about the network each, in folders by topic."""
