# SPDX-License-Identifier: Apache-2.0
"""Records what the agent reads in the namespace of namespace.sh, as root: python -m tests.sources.rtnetlink.record"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from kubectl_netdoc import agent

HERE = Path(__file__).parent
NAMES = {"namespace": "1", "namespace-nexthop-ids": "0"}
"""Recordings, and the value of net.ipv4.nexthop_compat_mode: 0 is a kernel that gives of a next hop object its number alone."""


def record(name: str, compatible: str) -> None:
    """Write one recording."""
    document = json.dumps({"budget": 20, "asks": [{"id": 0, "op": "netlink"}]}).encode()
    command = ["unshare", "-n", "sh", str(HERE / "namespace.sh"), sys.executable, "-c", agent.source(host=True).decode()]
    env = os.environ | {"COMPATIBLE": compatible}
    done = subprocess.run(command, input=b"%d\n%s" % (len(document), document), env=env, capture_output=True, check=True)
    note = f"what host.py reads in the namespace that namespace.sh makes, COMPATIBLE={compatible}; kernel {os.uname().release}"
    dumps = json.loads(done.stdout.splitlines()[0])["samples"][0][2]
    (HERE / f"{name}.json").write_text(json.dumps({"note": note, "dumps": dumps}, indent=1) + "\n")


if __name__ == "__main__":
    for each, mode in NAMES.items():
        record(each, mode)
