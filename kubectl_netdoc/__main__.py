"""``python -m kubectl_netdoc``."""

from kubectl_netdoc.cli.main import entry

entry()
