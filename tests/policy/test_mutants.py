# SPDX-License-Identifier: Apache-2.0
"""Small errors planted in the engine: the generated cases must find each of them."""

from __future__ import annotations

import importlib
import sys
from itertools import chain
from pathlib import Path

import pytest

import kubectl_netdoc.policy
from tests.policy import naive
from tests.policy.evaluators import OfEngine
from tests.policy.generate import cases

FOLDER = Path(kubectl_netdoc.policy.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))
CASES = 5_000

MUTANTS = {
    "except is forgotten": ("rules", "and not any(address in part for part in self.without)", ""),
    "endPort is exclusive": (
        "port_rules",
        "ports.of(port.protocol, int(port.port), port.end_port)",
        "ports.of(port.protocol, int(port.port), port.end_port - 1)",
    ),
    "no policyTypes means both": ("rules", "Direction if policy.spec.egress else (Direction.INGRESS,)", "Direction"),
    "egress rules without policyTypes isolate nothing": (
        "rules",
        "Direction if policy.spec.egress else (Direction.INGRESS,)",
        "(Direction.INGRESS,)",
    ),
    "both selectors are an OR": (
        "rules",
        "return where & select.pods(peer.pod_selector) if",
        "return where | select.pods(peer.pod_selector) if",
    ),
    "podSelector reaches all namespaces": ("rules", "where = select.in_namespace(namespace)", "where = (1 << 64) - 1"),
    "named ports are the source's": (
        "engine",
        "other.pod_class if direction is Direction.EGRESS else own",
        "own if direction is Direction.EGRESS else other.pod_class",
    ),
    "named ports of any protocol": ("port_rules", "names.append((port.port, port.protocol))", 'names.append((port.port, ""))'),
    "Pass is Allow": ("judging", "if rule.action is Action.PASS:", "if rule.action is None:"),
    "priorities the wrong way round": (
        "rules",
        "return self.stage, self.priority, self.ref.kind",
        "return self.stage, -self.priority, self.ref.kind",
    ),
    "NotIn wants the key": (
        "selection",
        "found &= ~union(among.equal(key, value) for value in values)",
        "found &= among.present(key) & ~union(among.equal(key, value) for value in values)",
    ),
    "Baseline is asked in any case": (
        "judging",
        "            self.denying += bound.isolating\n        return passed",
        "            self.denying += bound.isolating\n        return left | passed",
    ),
    "hostNetwork pods are isolated": (
        "engine",
        "own is None or (own.host_network and not reading.host_network_as_pods) or",
        "own is None or",
    ),
    "a pod's own node is like any other": (
        "judging",
        'return other.host and other.node != "" and other.node == subject.node',
        "return False",
    ),
    "every node is a pod's own": (
        "judging",
        'return other.host and other.node != "" and other.node == subject.node',
        "return other.host",
    ),
    "an empty from is nobody": ("rules", "return Peers(everyone=True)\n        ranges", "return Peers()\n        ranges"),
    "ipBlock matches pods always": (
        "judging",
        "peers.networks if ordinary and not reading.blocks_match_pods else",
        "() if False else",
    ),
    "networks don't match pods": (
        "judging",
        "peers.networks if ordinary and not reading.blocks_match_pods else",
        "() if ordinary and not reading.blocks_match_pods else",
    ),
    "SCTP is unknown": ("ports", 'PROTOCOLS = ("TCP", "UDP", "SCTP")', 'PROTOCOLS = ("TCP", "UDP", "XXXX")'),
    "fails open": ("rules", "return Rule(ref, direction, index, Action.DENY, Peers(everyone=True), PortRule())", "pass"),
    "IP families are mixed up": ("judging", "a.version == reading.family and any", "any"),
}


def _copy(folder: Path, name: str, module: str = "", old: str = "", new: str = "") -> OfEngine:
    """Return the evaluator of a copy of the engine, with one text in one module replaced."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("")
    for each in MODULES:
        source = (FOLDER / f"{each}.py").read_text()
        if each == module:
            assert source.count(old) == 1, f"{module}.py no longer has {old!r}"
            source = source.replace(old, new)
        source = source.replace("kubectl_netdoc.policy", name)
        (folder / name / f"{each}.py").write_text(source)
    importlib.invalidate_caches()
    return OfEngine(importlib.import_module(f"{name}.engine"), importlib.import_module(f"{name}.ports"))


def caught(evaluator: OfEngine) -> bool:
    """Whether a generated case tells the evaluator from the naive one."""
    for case in chain(*(cases(seed, CASES // 4) for seed in range(4))):
        if evaluator(case.objects, **case.question()) != naive.verdict(case.objects, **case.question()):
            return True
    return False


@pytest.mark.parametrize("number", range(len(MUTANTS)), ids=list(MUTANTS))
def test_mutant_is_caught(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert caught(_copy(tmp_path, f"mutant{number}", *list(MUTANTS.values())[number]))


def test_the_copy_itself_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert not caught(_copy(tmp_path, "mutant_none"))
    assert len(MUTANTS) >= 10
