# SPDX-License-Identifier: Apache-2.0
"""The agent: runs a batch of operations in a debug pod and judges nothing. The last part of the program.

Input on stdin: one line with the length of a JSON document in bytes, then the document
    {"budget": seconds, "spacing": seconds, "target_spacing": seconds, "asks": [{"id": 0, "op": "udp", ...}, ...]}
    "capabilities": [numbers of those that this batch needs]: the others are given up first (host.py)
    spacing: between two packets that begin something, whatever it is; target_spacing: the same for one host and port
Output on stdout: one JSON line a reply, in any order, then {"end": true, "replies": N, ...}.

Asks are run in order and alone, so that nothing else loads the path while latency is measured; those in a row that have
"together": true are run at once, at most 16.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from kubectl_netdoc.agent.base import OPERATIONS, PACE, SETUP, SILENT, OutOfTime
from kubectl_netdoc.agent.lookups import destination
from kubectl_netdoc.agent.path import note_routes

AT_ONCE = 16


def throttled():
    """Seconds that the CPU limit has held this container back so far, from cgroup v2 or v1; 0 where neither tells."""
    for path, key, unit in (
        ("/sys/fs/cgroup/cpu.stat", "throttled_usec", 1e6),
        ("/sys/fs/cgroup/cpu/cpu.stat", "throttled_time", 1e9),
    ):
        try:
            with open(path) as lines:
                for line in lines:
                    words = line.split()
                    if len(words) == 2 and words[0] == key:
                        return int(words[1]) / unit
        except OSError:
            continue
    return 0.0


def answer(ask, deadline):
    """Run one ask; an error is a reply too."""
    try:
        reply = OPERATIONS[ask["op"]](ask, deadline)
        if "to" in ask and {sample[0] for sample in reply["samples"]} == {"timeout"}:
            SILENT.add(destination(ask))
    except OutOfTime:
        reply = {"error": "the time for this batch was used up"}
    except Exception as error:
        reply = {"error": "%s: %s" % (type(error).__name__, error)}
    reply["id"] = ask.get("id", -1) if isinstance(ask, dict) else -1
    return reply


def replies(asks, deadline):
    """Answer in order, those in a row that may run together at once; of the others, what goes to who is silent together last."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for together, group in groupby(asks, lambda ask: isinstance(ask, dict) and bool(ask.get("together"))):
            later = []
            for ask in group:
                if together or to_silent(ask):
                    later.append(ask)
                else:
                    yield answer(ask, deadline)
            yield from pool.map(lambda ask: answer(ask, deadline), later)


def to_silent(ask):
    """Whether an ask goes to who was given up before: it will wait, and there is no latency to disturb."""
    try:
        return destination(ask) in SILENT
    except Exception:
        return False  # a malformed ask is an error of its own


def main() -> None:
    """Read one batch, answer it, end."""
    length = int(sys.stdin.buffer.readline())
    batch = json.loads(sys.stdin.buffer.read(length).decode())
    before, deadline = throttled(), time.monotonic() + batch["budget"]
    PACE.spacing, PACE.target_spacing = batch.get("spacing", 0.0), batch.get("target_spacing", 0.0)
    if "capabilities" in batch:
        SETUP["capabilities"](batch["capabilities"])
    note_routes(batch["asks"])
    for reply in replies(batch["asks"], deadline):
        print(json.dumps(reply), flush=True)
    print(
        json.dumps({"end": True, "replies": len(batch["asks"]), "throttled": throttled() - before, "now": time.time()}),
        flush=True,
    )


if __name__ == "__main__":
    main()
