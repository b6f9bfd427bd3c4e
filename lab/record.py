# SPDX-License-Identifier: Apache-2.0
"""Record bundles on the lab, healthy and under each fault that has a verdict: `make record`.

Each bundle carries in its note the lab's version, the fault, and the command that recorded it. NETDOC_LAB is the
lab's kubeconfig, NETDOC_IMAGE the image of the debug pods.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from lab.faults.runner import Fault, Lab, all_faults

ROOT = Path(__file__).parent.parent
BUNDLES = ROOT / "tests" / "bundles"
DEMO = "kube-proxy-hung"


def collect(lab: Lab, path: Path, fault: str, *flags: str) -> None:
    """Record one bundle of the lab as it is."""
    shown = " ".join(["kubectl netdoc collect", str(path.relative_to(ROOT)), *flags])
    notes = {"fault": fault, "lab": version(lab), "command": shown}
    command = ["kubectl-netdoc", "collect", str(path), *flags, *(f"--note={key}={value}" for key, value in notes.items())]
    subprocess.run(command, env=os.environ | {"KUBECONFIG": str(lab.kubeconfig)}, check=True)


def version(lab: Lab) -> str:
    """Say what the lab is made of, in one line."""
    columns = "custom-columns=V:.status.nodeInfo.kubeletVersion,K:.status.nodeInfo.kernelVersion"
    nodes = lab.kubectl("get", "nodes", "--no-headers", "-o", columns).splitlines()
    return f"kind, flannel VXLAN, {len(nodes)} nodes, Kubernetes {', kernel '.join(nodes[0].split())}"


def record(lab: Lab, fault: Fault) -> None:
    """Record one bundle with the lab broken by a fault."""
    with lab.broken(fault):
        collect(lab, BUNDLES / f"{fault.name}.json", fault.name, *fault.flags)


def main() -> None:
    """Record the faults named on the command line, else all that have a verdict and the healthy lab."""
    lab = Lab(Path(os.environ["NETDOC_LAB"]))
    wanted = sys.argv[1:]
    if not wanted:
        collect(lab, BUNDLES / "healthy.json", "none")
    for fault in all_faults():
        if fault.expect and (not wanted or fault.name in wanted) and not lab.lacks(fault):
            record(lab, fault)
    shutil.copy(BUNDLES / f"{DEMO}.json", ROOT / "demo" / f"{DEMO}.json")


if __name__ == "__main__":
    main()
