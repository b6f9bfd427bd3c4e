# SPDX-License-Identifier: Apache-2.0
"""``python -m kubectl_netdoc``."""

from kubectl_netdoc.cli.main import entry

entry()
