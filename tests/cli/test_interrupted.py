# SPDX-License-Identifier: Apache-2.0
"""A signal ends a run with 130, wherever it comes."""

from __future__ import annotations

import subprocess
import sys

import pytest

RUN = """
import os, signal
from kubectl_netdoc.cli import main

def come(*args, **options):
    {where}

main.main.main = come
main.entry()
"""
PLACES = {
    "while it works": "os.kill(os.getpid(), signal.{name})",
    "while a class is made": """
    class Descriptor:
        def __set_name__(self, owner, name):
            os.kill(os.getpid(), signal.{name})
    class Owner:
        attribute = Descriptor()
""",
}


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("where", PLACES.values(), ids=PLACES)
def test_a_signal_is_the_reason_whatever_it_interrupts(where: str, name: str) -> None:
    script = RUN.format(where=where.format(name=name))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
