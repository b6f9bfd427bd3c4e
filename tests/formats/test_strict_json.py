# SPDX-License-Identifier: Apache-2.0
"""Types that msgspec builds while other threads decode: a race that ends the process, so it is run in processes of its own."""

from __future__ import annotations

import subprocess
import sys

TRIES = 4

RACE = """
import sys, threading
import msgspec
from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.records.kinds import KINDS
sys.setswitchinterval(1e-6)
kinds, gate = list(KINDS.values()), threading.Barrier(16)
def work(number):
    gate.wait()
    for kind in kinds[number::16]:
        record = kind.wire or kind.record
        try:
            strict_json.decode(b'{"metadata": {"name": "x", "ownerReferences": [{"kind": "a"}]}, "spec": {}}', record)
        except msgspec.ValidationError:
            pass
threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_threads_that_decode_for_the_first_time_at_once_live() -> None:
    """Without the lock more than half of these end with signal 11."""
    done = [subprocess.run([sys.executable, "-c", RACE], capture_output=True, timeout=60) for _ in range(TRIES)]
    assert [(each.returncode, each.stderr) for each in done] == [(0, b"")] * TRIES
