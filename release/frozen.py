# SPDX-License-Identifier: Apache-2.0
"""The program of the archives, which bring their own Python: what PyInstaller freezes.

Plugins: a folder made by `pip install --target DIR DISTRIBUTION`, named by NETDOC_PLUGINS; it is code that runs as you.
"""

import os
import sys

# PyInstaller's own libraries are for this process: what it starts (credential plugins) gets the user's.
theirs = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
os.environ.pop("LD_LIBRARY_PATH", None)
if theirs is not None:
    os.environ["LD_LIBRARY_PATH"] = theirs
if plugins := os.environ.get("NETDOC_PLUGINS"):
    sys.path.append(plugins)

from kubectl_netdoc.cli.main import entry  # noqa: E402

entry()
