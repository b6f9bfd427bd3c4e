# SPDX-License-Identifier: Apache-2.0
"""Records what CoreDNS prints for each broken Corefile of ``corpus.yaml``: ``record.py VERSION=BINARY… > recorded.json``.

The binaries are built from the Go module of each version (``lab/node/build``: ``build_coredns``), without changes. A Corefile
that a version starts with is ``started``, one that it never ends reading ``nothing``. What changes from run to run (folders,
ports) is written as in a pod.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
PATIENCE = 15
"""Seconds after which a server has ended or started; the plugin kubernetes waits for 5 s."""

HEALTHY = re.compile(r"^(?:(?:\S+ \S+ )?maxprocs: .*|CoreDNS-.*|linux/.*|\S*:\d+(?: on \S+)?|\[INFO\] .*)\n", re.M)
"""Lines that every server writes."""


def main(programs: list[str]) -> None:
    """Run each version over the corpus; versions that print the same are one entry."""
    cases: dict[str, Any] = yaml.safe_load((HERE / "corpus.yaml").read_text())
    found: dict[str, dict[str, Any]] = {}
    for name, case in cases.items():
        whole = {"corefile": case} if isinstance(case, str) else case
        printed: dict[str, list[str]] = {}
        for program in programs:
            version, _, path = program.partition("=")
            printed.setdefault(_run(path, whole), []).append(version)
        said = {" ".join(versions): text for text, versions in printed.items()}
        found[name] = {**whole, "printed": said}
        print(f"{name}: {len(printed)}", file=sys.stderr)
    json.dump(found, sys.stdout, indent=1)
    print()


def _run(program: str, case: dict[str, Any]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, text in case.get("files", {}).items():
            (place / name).write_text(text)
        (place / "Corefile").write_text(case["corefile"].replace("/etc/coredns", folder))
        command = [program, "-conf", str(place / "Corefile")]
        env = {"PATH": "/usr/bin", **case.get("environment", {})}
        with open(place / "log", "w+") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=env) as server:
            try:
                end = time.monotonic() + case.get("seconds", PATIENCE)
                if "then" in case:
                    time.sleep(1)
                    (place / "Corefile").write_text(case["then"].replace("/etc/coredns", folder))
                while server.poll() is None and time.monotonic() < end:
                    time.sleep(0.02)
                    if not case.get("log") and "CoreDNS-" in (place / "log").read_text(errors="replace"):
                        break
                running = server.poll() is None
            finally:
                server.kill()
            server.wait()
            log.seek(0)
            text = log.read().replace(folder, "/etc/coredns")
    if running and not case.get("log"):
        return "started" if "CoreDNS-" in text else "nothing"
    lines = re.sub(HEALTHY, "", re.sub(r"(?<=127\.0\.0\.1:)\d{5}(?=->)", "40000", text)).splitlines()
    return "\n".join(dict.fromkeys(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
