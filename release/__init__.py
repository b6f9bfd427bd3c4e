# SPDX-License-Identifier: Apache-2.0
"""How netdoc is handed out: wheel, archives that need no Python, krew."""
