# SPDX-License-Identifier: Apache-2.0
"""Break the lab on purpose, prove that it is broken, mend it, and prove that nothing stays.

    python -m lab.faults.runner list | inject NAME | restore NAME | prove [NAME...]

`model.py` says what a fault is, `fingerprint.py` what "nothing stays" means.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TypeVar

from lab.faults import fingerprint
from lab.faults.model import FOLDER, Expected, Fault, Settle, Subject, Symptom, all_faults, load

__all__ = [
    "Expected", "Fault", "Lab", "LabError", "Leaked", "NotBroken", "NotHealthy", "Settle", "Subject", "Symptom",
    "all_faults", "load",
]  # fmt: skip

COMMAND_DEADLINE = 180.0
SYMPTOM_DEADLINE = 45.0
RESTORE_DEADLINE = 120.0
LAB = Path(__file__).parents[1] / "lab"
GROWN = 310.0
"""Seconds until all checks judge a node (kubeproxy.JOINING, routing.SETTLED)."""

T = TypeVar("T")


class LabError(Exception):
    """The lab is not in the state it has to be in."""


class NotHealthy(LabError):
    """The symptom of a fault shows, or something else is broken, before the fault is injected."""


class NotBroken(LabError):
    """A fault is injected and its symptom does not show."""


class Leaked(LabError):
    """A fault is restored and something of it stays."""

    def __init__(self, name: str, difference: str) -> None:
        super().__init__(f"{name} leaked:\n{difference}")
        self.name = name
        self.difference = difference


class Lab:
    """A cluster made by lab/lab."""

    def __init__(self, kubeconfig: Path, name: str = "netdoc") -> None:
        """Take the kubeconfig whose path lab/lab printed, and the cluster's name."""
        self.kubeconfig = kubeconfig.resolve()
        self.name = name
        self.state = self.kubeconfig.with_suffix(".faults")  # where lab/lab finds what a killed run has left broken
        self._env = os.environ | {
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.kubeconfig.parent / "kube-cache"),
            "PATH": f"{self.kubeconfig.parent / 'bin'}:{os.environ['PATH']}",
            "LAB_NAME": name,
            "FAULTS": str(FOLDER),
        }

    @property
    def environment(self) -> dict[str, str]:
        """What programs that work on the lab are started with."""
        return dict(self._env)

    def kubectl(self, *args: str) -> str:
        """Run the lab's kubectl on the lab's cluster and return what it prints; a LabError where it fails."""
        return self._run("kubectl", *args)

    def mode(self) -> str:
        """Return the mode that kube-proxy is set to."""
        config = self.kubectl("-n", "kube-system", "get", "configmap", "kube-proxy", "-o", r"jsonpath={.data.config\.conf}")
        found = re.search(r"^mode: *\"?(\w*)", config, re.MULTILINE)
        return (found[1] if found else "") or "iptables"

    def network(self) -> str:
        """Return which of the lab's networks it has, as lab/lab wrote it down."""
        noted = self.kubeconfig.with_suffix(".network")
        return noted.read_text().strip() if noted.exists() else "flannel"

    def lacks(self, fault: Fault) -> str:
        """Say what a fault needs that the lab does not have; "" if it can be made here."""
        if fault.networks and self.network() not in fault.networks:
            return f"it needs the network {' or '.join(fault.networks)}, not {self.network()}"
        return f"it is one of kube-proxy's {fault.mode} mode" if fault.mode and fault.mode != self.mode() else ""

    def remake(self) -> None:
        """Have the lab made anew where a fault could not be restored."""
        if any(self.state.glob("*")):
            subprocess.run([str(LAB), "up", self.name], check=True, stdout=subprocess.DEVNULL)

    def grow(self) -> None:
        """Wait until all checks judge the nodes: one that has just joined is given time."""
        nodes = json.loads(self.kubectl("get", "nodes", "-o", "json"))["items"]
        youngest = max(datetime.fromisoformat(node["metadata"]["creationTimestamp"]) for node in nodes)
        time.sleep(max(0.0, GROWN - (datetime.now(UTC) - youngest).total_seconds()))

    def inject(self, fault: Fault, beside: tuple[Fault, ...] = ()) -> None:
        """Prove that the lab is healthy, break it, and prove that it is broken; ``beside``: what it is broken by already."""
        if left := sorted({path.name for path in self.state.glob("*")} - {other.name for other in beside}):
            raise LabError(f"the lab {self.name} is still broken by {', '.join(left)}: restore that first")
        if wrong := self._unlike(fault, False, SYMPTOM_DEADLINE):
            raise NotHealthy(f"{fault.name}: before it is injected, {wrong}")
        before = self._steady_fingerprint()
        state = self.state / fault.name
        state.mkdir(parents=True)
        (state / "fingerprint.json").write_text(json.dumps(before))
        self._shell(fault, *fault.inject)
        self._settle(fault, fault.injected)
        if wrong := self._unlike(fault, True, SYMPTOM_DEADLINE):
            raise NotBroken(f"{fault.name}: once it is injected, {wrong}")

    def restore(self, fault: Fault, beside: tuple[Fault, ...] = ()) -> None:
        """Mend what `inject` broke, and prove that nothing of it stays.

        ``beside``: what was broken before it. A fix may have mended that in between, so the lab is not compared with what it
        was then; it is once the last of them is restored.
        """
        state = self.state / fault.name
        if not state.exists():
            raise LabError(f"{fault.name} is not injected")
        before = Counter[str](json.loads((state / "fingerprint.json").read_text()))
        try:
            self._shell(fault, *fault.restore)
            self._settle(fault, fault.restored)
        except LabError as error:
            raise Leaked(fault.name, str(error)) from error
        if wrong := self._unlike(fault, False, RESTORE_DEADLINE):
            raise Leaked(fault.name, f"once it is restored, {wrong}")
        if not beside and (lines := _until_empty(lambda: fingerprint.difference(before, self.fingerprint()), RESTORE_DEADLINE)):
            raise Leaked(fault.name, "\n".join(lines))
        shutil.rmtree(state)

    @contextmanager
    def broken(self, *faults: Fault) -> Iterator[None]:
        """Have the faults inside the `with`, one after the other; they are always restored, the last one first."""
        with ExitStack() as stack:
            for number, fault in enumerate(faults):
                stack.callback(self._restore_if_broken, fault, faults[:number])
                self.inject(fault, faults[:number])
            yield

    def _restore_if_broken(self, fault: Fault, beside: tuple[Fault, ...]) -> None:
        if (self.state / fault.name).exists():
            self.restore(fault, beside)

    def symptom(self, fault: Fault) -> str:
        """Look at the lab without netdoc, and return what was seen."""
        return self._shell(fault, fault.symptom.run, check=False) if fault.symptom else ""

    def fingerprint(self) -> Counter[str]:
        """Describe all that a fault could change, a line a fact."""
        objects = json.loads(self.kubectl("get", fingerprint.KINDS, "-A", "-o", "json"))["items"]
        nodes = [item["metadata"]["name"] for item in objects if item["kind"] == "Node"]
        with ThreadPoolExecutor() as pool:
            facts = list(pool.map(self._node_facts, nodes))
        return Counter(chain(fingerprint.of_objects(objects), *facts))

    def _node_facts(self, node: str) -> list[str]:
        return list(fingerprint.of_node(node, self.node(node, fingerprint.NODE_SCRIPT)))

    def _steady_fingerprint(self) -> Counter[str]:
        """Take it when two in a row are the same and no pod is on its way out: a rollout may be about to end."""
        last = self.fingerprint()

        def changes() -> list[str]:
            nonlocal last
            previous, last = last, self.fingerprint()
            return fingerprint.difference(previous, last) or [line for line in last if "being deleted" in line]

        if lines := _until_empty(changes, RESTORE_DEADLINE):
            raise LabError("the lab does not come to rest:\n" + "\n".join(lines))
        return last

    def _unlike(self, fault: Fault, broken: bool, deadline: float) -> str:
        """Wait for the symptom to be there, or not to be there; say how it is otherwise."""
        if fault.symptom is None:
            return ""
        pattern, never = fault.symptom.healthy, fault.symptom.broken
        if broken:
            pattern, never = never, pattern

        def wrong() -> str:
            output = self.symptom(fault)
            if re.search(pattern, output) and not re.search(never, output):
                return ""
            return f"this should match {pattern!r}:\n{output}"

        return _until_empty(wrong, deadline)

    def _settle(self, fault: Fault, settle: Settle) -> None:
        def wrong() -> str:
            try:
                self._shell(fault, settle.run)
            except LabError as error:
                return str(error)
            return ""

        if problem := _until_empty(wrong, settle.deadline):
            raise LabError(f"{fault.name} did not settle in {settle.deadline:g} s: {problem}")

    def node(self, node: str, script: str) -> str:
        """Run a script of sh's on a node and return what it prints."""
        return self._run("docker", "exec", node, "sh", "-c", script)

    def shell(self, *lines: str, state: Path | None = None, check: bool = True) -> str:
        """Run lines in the words of lib.sh, with ``state`` for their folder, and return what they print."""
        script = "\n".join(["exec 2>&1", 'source "$FAULTS/lib.sh"', *lines])
        return self._run("bash", "-c", script, check=check, state=str(state or ""))

    def _shell(self, fault: Fault, *lines: str, check: bool = True) -> str:
        return self.shell(*lines, state=self.state / fault.name, check=check)

    def _run(self, *command: str, check: bool = True, state: str = "") -> str:
        """Run a command; at its deadline, end it and all that it has started."""
        process = subprocess.Popen(
            command,
            env=self._env | {"STATE": state},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            output, errors = process.communicate(timeout=COMMAND_DEADLINE)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise LabError(f"{command[-1]}\ndid not end in {COMMAND_DEADLINE:g} s") from None
            raise
        if check and process.returncode:
            raise LabError(f"{command[-1]}\nended with {process.returncode}: {output}{errors}")
        return output


def _until_empty(look: Callable[[], T], deadline: float) -> T:
    """Look until there is nothing to see, or the deadline has passed; return what was seen last."""
    end = time.monotonic() + deadline
    while (seen := look()) and time.monotonic() < end:
        time.sleep(0.5)
    return seen


def prove(lab: Lab, faults: list[Fault]) -> None:
    """Inject and restore each fault, with every proof."""
    for fault in faults:
        if why := lab.lacks(fault):
            print(f"--  {fault.name:<28} {fault.row:<4} {why}", flush=True)
            continue
        started = time.monotonic()
        with lab.broken(fault):
            injected = time.monotonic()
            seen = " | ".join(lab.symptom(fault).splitlines()[-3:])
        ended = time.monotonic()
        times = f"broken {injected - started:3.0f} s  mended {ended - injected:3.0f} s"
        print(f"ok  {fault.name:<28} {fault.row:<4} {times}  {seen}", flush=True)


def main(args: list[str]) -> int:
    """Run the command line."""
    home = Path(os.environ.get("LAB_HOME", "~/.cache/kubectl-netdoc/lab")).expanduser()
    parser = argparse.ArgumentParser(prog="python -m lab.faults.runner", description="Break the lab on purpose.")
    parser.add_argument("action", choices=["list", "inject", "restore", "prove"])
    parser.add_argument("fault", nargs="*")
    parser.add_argument("--name", default="netdoc", help="the cluster's name")
    parser.add_argument("--kubeconfig", type=Path, help="the path that lab/lab printed")
    options = parser.parse_args(args)
    lab = Lab(options.kubeconfig or home / f"{options.name}.kubeconfig", options.name)
    try:
        faults = list(map(load, options.fault) if options.fault else all_faults())
        if options.action == "list":
            print("\n".join(f"{fault.name:<28} {fault.row:<4} {fault.title}" for fault in faults))
        elif options.action == "prove":
            prove(lab, faults)
        elif len(options.fault) != 1:
            parser.error(f"{options.action} takes the name of one fault")
        elif options.action == "inject":
            lab.inject(faults[0])
        else:
            lab.restore(faults[0])
    except (LabError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
