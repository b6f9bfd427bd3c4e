# SPDX-License-Identifier: Apache-2.0
"""What a person sees at the end of a run in a terminal of 80 columns and 24 lines, without scrolling."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec
import pytest

from kubectl_netdoc.core.check import Check
from kubectl_netdoc.core.finding import Finding, Grant, Severity, Unseen
from kubectl_netdoc.core.report import CheckResult, Coverage, Report, State
from kubectl_netdoc.engine import registry
from kubectl_netdoc.engine.run import run
from kubectl_netdoc.formats.text import safe
from kubectl_netdoc.report import text
from kubectl_netdoc.sources import bundle
from kubectl_netdoc.testing import outcome
from tests.checks import cases_of, registered
from tests.support.tmux import HEIGHT, PROMPT, WIDTH, Tmux, program

ROOT = Path(__file__).parents[2]
BUNDLES = ROOT / "tests" / "bundles"
RECORDED = [
    "cni-plugin-missing",
    "coredns-stalls",
    "coredns-zero",
    "dns-server-lossy",
    "dns-upstream-dead",
    "kube-proxy-hung",
    "mtu-black-hole",
    "node-port-blocked",
    "node-port-health-blocked",
    "policy-forgets-dns",
    "route-blackhole",
    "service-named-port-missing",
]
"""Recorded faults of all topics: those with the longest messages, fixes and commands, and with two causes, among them."""

FAULTS = sorted(path.stem for path in BUNDLES.glob("*.json"))


@cache
def report(fault: str) -> Report:
    known = registry.load()
    return run(bundle.load((BUNDLES / f"{fault}.json").read_bytes(), fault), known, known.checks).report


def causes(of: Report) -> list[Finding]:
    return [cause for cause in of.causes() if cause.severity is not Severity.INFO]


def folded(lines: str) -> Iterator[str]:
    """Yield the rows that lines take in the terminal."""
    for line in lines.splitlines():
        yield from (line[start : start + WIDTH] for start in range(0, max(1, len(line)), WIDTH))


def screen(lines: str) -> str:
    """Return what is on the screen after a report, as text in which long lines are whole: its last rows, and the prompt."""
    whole = lines.splitlines()
    while sum(1 for _ in folded("\n".join(whole))) > HEIGHT - 1:
        del whole[0]
    return "\n".join([*whole, PROMPT])


def stands_there(cause: Finding, shown: str) -> None:
    """Fail unless the cause, its fix and a command that can be copied are on the screen, and the summary below them."""
    lines = shown.rstrip().splitlines()
    head = f"{cause.severity.upper()} {cause.code}  "
    at = next(number for number, line in enumerate(lines) if line.startswith(head))
    assert lines[at][len(head) :].split()[0] == safe(cause.message).split()[0]
    fix = next(number for number, line in enumerate(lines) if line.startswith(f"  fix ({cause.risk}): "))
    commands = [number for number, line in enumerate(lines) if line.strip() in map(safe, cause.commands)]
    assert at < fix
    assert not cause.commands or commands[0] > fix
    assert not cause.commands or lines[commands[0]].strip() == safe(cause.commands[0])
    assert f"  more: kubectl netdoc explain {cause.code}" in lines


@pytest.mark.parametrize("fault", FAULTS)
def test_the_worst_cause_of_a_recorded_fault_stands_on_the_last_screen(fault: str) -> None:
    for cause in causes(report(fault))[:1]:
        stands_there(cause, screen(text.render(report(fault), width=WIDTH)))


@pytest.mark.parametrize("fault", FAULTS)
def test_one_cause_leaves_no_command_out_and_takes_a_screen(fault: str) -> None:
    shown = text.render(report(fault), width=WIDTH)
    found = causes(report(fault))
    if len(found) == 1:
        assert set(map(safe, found[0].commands)) <= {line.strip() for line in screen(shown).splitlines()}
        assert len(list(folded(shown))) <= HEIGHT + 6  # what could not be looked at stands above


@pytest.mark.parametrize("check", registered(), ids=lambda check: check.id)
def test_each_code_with_all_that_its_cases_find_has_room(check: Check) -> None:
    """With three more causes beside it as well: the line of each may scroll away, but not the worst cause's."""
    for case in cases_of(check.id):
        for found in outcome(check, case.cluster, case.measured).findings:
            worst = msgspec.structs.replace(found, id="0", severity=Severity.FAIL)
            others = [msgspec.structs.replace(found, id=f"{number}", severity=Severity.WARN) for number in (1, 2, 3)]
            for findings in ([worst], [worst, *others]):
                stands_there(worst, screen(text.render(made(findings), width=WIDTH)))


def made(findings: list[Finding], results: tuple[CheckResult, ...] = (), unseen: tuple[Unseen, ...] = ()) -> Report:
    """Return a report of findings."""
    where = ("1", "context a-cluster", "2026-01-01T12:00:00+00:00", "v1.34.0", Coverage(3, ("a",), 9))
    return Report(1, *where, results, tuple(findings), unseen)


@pytest.mark.parametrize("many", [2, 10, 500])
def test_each_further_cause_is_two_lines_and_the_worst_comes_last(many: int) -> None:
    found = causes(report("kube-proxy-hung"))[0]
    several = [msgspec.structs.replace(found, id=f"{n}", code=f"X{n:03}", explains=()) for n in range(many)]
    shown = text.render(made(several), width=WIDTH)
    stands_there(several[0], screen(shown))
    blocks = shown.split("\n\n")
    assert blocks[0].splitlines()[0].startswith(f"{many - 1} more finding")
    heads = [line.split()[1] for line in blocks[0].splitlines()[1:] if line.startswith("FAIL")]
    assert heads == [cause.code for cause in reversed(several[1:])]
    assert len(blocks[0].splitlines()) == 1 + 2 * (many - 1)


def test_other_causes_take_the_room_of_what_is_least_wanted_and_of_no_command() -> None:
    found = causes(report("kube-proxy-hung"))[0]
    hung, short = (msgspec.structs.replace(found, explains=(), commands=found.commands[:most]) for most in (4, 1))
    for worst, count in ((hung, 3), (short, 3), (short, 30)):
        others = [msgspec.structs.replace(found, id=f"{n}", code=f"X{n:03}", explains=()) for n in range(count)]
        shown = screen(text.render(made([worst, *others]), width=WIDTH))
        assert all(f"    {command}\n" in shown for command in worst.commands)
        assert "recent" not in shown.partition("left out")[0]
        assert worst is hung or len([line for line in shown.splitlines() if line.startswith("FAIL X")]) >= 3
    assert "  recent: " in screen(text.render(made([short]), width=WIDTH))


def test_what_has_no_room_is_counted_and_the_whole_report_has_it() -> None:
    found = causes(report("kube-proxy-hung"))[0]
    long = msgspec.structs.replace(found, explains=(), commands=tuple(f"kubectl get pods -l number={n}" for n in range(30)))
    first, whole = (text.render(made([long]), width=WIDTH, whole=whole) for whole in (False, True))
    there = sum(f"    {command}\n" in first for command in long.commands)
    assert 1 < there < 30
    assert f"{30 - there} commands" in next(line for line in first.splitlines() if line.startswith("  left out: "))
    assert all(f"    {command}\n" in whole for command in long.commands)
    assert "left out" not in whole
    assert "…" not in whole.replace("(node-debugger-…)", "")


@pytest.mark.parametrize("fault", FAULTS)
def test_the_whole_report_has_all_and_ends_the_same(fault: str) -> None:
    of = report(fault)
    shown = text.render(of, width=WIDTH, whole=True)
    assert {line.split()[1] for line in shown.split("\n\n")[0].splitlines() if not line.startswith(" ")} >= {
        result.check for result in of.results
    }
    for cause in causes(of):
        assert all(f"    {safe(command)}\n" in shown for command in cause.commands)
    for cause in causes(of)[:1]:
        assert shown.rindex(f"{cause.severity.upper()} {cause.code}  ") > max(
            [shown.rindex(f"{other.severity.upper()} {other.code}  ") for other in causes(of)[1:]], default=0
        )


def wanted(of: Report) -> Iterator[Unseen]:
    """Yield what a run asked for in vain, or what it said of itself."""
    yield from of.unseen
    for result in of.results:
        for item in result.unseen:
            if item.expected or (result.state == "skipped" and not item.not_applicable):
                yield item


@pytest.mark.parametrize("fault", FAULTS)
def test_what_could_not_be_looked_at_has_a_line_for_each_reason_and_the_rest_is_counted(fault: str) -> None:
    of = report(fault)
    lines = text.render(of, width=WIDTH).split("\n\n")[0].splitlines()
    told = [line for line in lines if line.startswith("Not looked at")]
    reasons = {item.reason for item in wanted(of)}
    assert len(told) == len(reasons)
    assert all(any(reason[:40] in line for line in told) for reason in reasons)
    assert all(len(line) <= WIDTH for line in lines)
    passed = sum(result.state is State.PASS for result in of.results)
    skipped = sum(result.state is State.SKIPPED and not {*result.unseen} & {*wanted(of)} for result in of.results)
    assert lines[0].startswith(f"{passed} checks passed; {skipped} not asked for or not applicable")
    assert len(lines) == 1 + len(told)


def test_missing_rights_are_one_line_that_says_what_names_them_and_a_crash_is_a_line() -> None:
    refused = tuple(Unseen(name, "forbidden", Grant("list", name), expected=True) for name in ("pods", "nodes", "services"))
    rows = (
        CheckResult("one", "One", State.UNKNOWN, unseen=refused[:2]),
        CheckResult("two", "Two", State.FAIL, unseen=refused[2:]),
        CheckResult("three", "Three", State.CRASHED, error="ZeroDivisionError at three.py:3: " + "long " * 10),
    )
    first, *_ = text.render(made([], rows, (Unseen("--external a.example", "not recorded"),)), width=WIDTH).split("\n\n")
    assert first.splitlines() == [
        "0 checks passed",
        "CRASHED three: ZeroDivisionError at three.py:3: long long long long long long",
        "  long long long long",
        "Not looked at (not recorded): --external a.example",
        "Not looked at (rights are missing: kubectl netdoc rbac --check): pods and 2 more",
    ]


def test_no_reason_is_cut_as_what_to_do_may_stand_at_its_end() -> None:
    long = Unseen("all measurements", "the cluster refused the namespace: " + "a long message of a hook " * 5 + "(see --label)")
    first = text.render(made([], (), (long,)), width=WIDTH).partition("\n\n")[0]
    assert " ".join(first.split()) == f"Not looked at: {long.reason}"
    assert all(len(line) <= WIDTH for line in first.splitlines())


def test_advice_is_counted_in_the_summary() -> None:
    found = msgspec.structs.replace(causes(report("kube-proxy-hung"))[0], severity=Severity.INFO)
    shown = text.render(made([found, msgspec.structs.replace(found, id="x")]), width=WIDTH)
    assert shown.startswith("nothing wrong found; 2 info (--show info)")
    assert len(shown.splitlines()) <= 2


# In a real terminal


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tmux]:
    if not program():
        pytest.skip("no tmux on this machine: apt-get install tmux")
    opened = Tmux(tmp_path_factory.mktemp("tmux"), str(Path(sys.executable).parent))
    yield opened
    opened.close()


@pytest.mark.parametrize("fault", RECORDED)
def test_a_terminal_shows_the_cause_its_fix_and_the_command_of_a_recorded_fault(terminal: Tmux, fault: str) -> None:
    shown = terminal.run(f"kubectl-netdoc check --from {BUNDLES / fault}.json")
    cause = causes(report(fault))[0]
    stands_there(cause, shown)
    assert len(terminal.rows()) == HEIGHT
    assert text.summary(report(fault)).split("; ")[0] in shown
    assert shown.rstrip().endswith(f"the whole cluster\n{PROMPT}")


def test_all_of_it_ends_on_the_same_screen(terminal: Tmux) -> None:
    """The paths between nodes and the cost, on stderr, come before."""
    shown = terminal.run(f"kubectl-netdoc check -v --from {BUNDLES / 'mtu-black-hole'}.json")
    stands_there(causes(report("mtu-black-hole"))[0], shown)
