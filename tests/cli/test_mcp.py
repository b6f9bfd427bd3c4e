# SPDX-License-Identifier: Apache-2.0
"""The tools for agents, asked by the client of the package mcp over stdin and stdout."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server.mcpserver.exceptions import ToolError

from kubectl_netdoc.cli import mcp_tools
from kubectl_netdoc.cli.mcp import EXTRA, MISSING
from tests.support.commandline import LONGEST, complaint, process
from tests.support.kubeconfigs import FakeApi, kubeconfig, thing

T = TypeVar("T")
BUNDLE = Path(__file__).parents[1] / "bundles" / "service-selector-nothing.json"
WEB = {"kind": "Service", "name": "web", "namespace": "shop"}


def asked(talk: Callable[[Client], Awaitable[T]], *flags: object) -> T:
    """Start the command with these flags, talk with it, and return what the talk returns."""
    arguments = ["-m", "kubectl_netdoc", "mcp", *map(str, flags)]
    place = StdioServerParameters(command=sys.executable, args=arguments, cwd=str(Path(__file__).parents[2]))

    async def session() -> T:
        async with asyncio.timeout(LONGEST * 3), Client(place) as client:
            return await talk(client)

    return asyncio.run(session())


async def answer(client: Client, tool: str, **arguments: Any) -> Any:
    """Return what a tool answers, which is marked as the cluster's text."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    assert result.structured_content["untrusted"] == mcp_tools.UNTRUSTED
    return result.structured_content["answer"]


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    """Return the error of a tool."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    (said,) = result.content
    return str(getattr(said, "text", ""))


def test_what_it_answers_is_what_the_verbs_say() -> None:
    async def talk(client: Client) -> None:
        hints = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
        assert set(hints) == {"check", "diff", "explain", "why", "policy"}
        assert all(hint is not None and hint.read_only_hint for hint in hints.values())
        assert "call check first" in await refusal(client, "diff")
        found = await answer(client, "check")
        assert [(each["code"], each["subject"]) for each in found["findings"]] == [("SVC001", WEB)]
        assert (await answer(client, "diff"))["changes"] == []
        why = await answer(client, "why", source="deploy/udp", destination="svc/web:80", namespace="shop")
        assert (why["answer"], "SVC001" in json.dumps(why)) == ("no", True)
        coverage = await answer(client, "policy", question="coverage", namespace="shop")
        assert [each["namespace"] for each in coverage["namespaces"]] == ["shop"]
        page = await client.call_tool("explain", {"name": "SVC001"})
        assert "SVC001" in str(page.content)

    asked(talk, "--from", BUNDLE)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("check", {"checks": ["--kubeconfig=/etc/shadow"]}, "that is no check"),
    ("check", {"checks": ["dns_latency; id"]}, "that is no check"),
    ("check", {"namespace": "-A"}, "that is no namespace"),
    ("check", {"most": 1000}, "less than or equal"),
    ("check", {"severity": "all"}, "Input should be"),
    ("explain", {"name": "--help"}, "that is no code or check"),
    ("explain", {"name": "NOSUCH"}, "NOSUCH"),
    ("why", {"source": "deploy/udp", "destination": "1.1.1.1:53"}, "that is no place of this cluster"),
    ("why", {"source": "deploy/udp", "destination": "example.com:443"}, "that is no place of this cluster"),
    ("why", {"source": "--probe", "destination": "svc/web"}, "that is no place of this cluster"),
    ("why", {"source": "deploy/udp", "destination": "svc/web:80 --probe"}, "that is no place of this cluster"),
    ("why", {"source": "deploy/none", "destination": "svc/web:80", "namespace": "shop"}, "there is no Deployment"),
    ("policy", {"question": "diff"}, "Input should be"),
    ("trace", {"source": "deploy/udp", "destination": "svc/web"}, "Unknown tool"),
]


def test_what_is_no_question_about_the_cluster_is_refused() -> None:
    async def talk(client: Client) -> list[tuple[int, str]]:
        return [(n, await refusal(client, tool, **given)) for n, (tool, given, _) in enumerate(REFUSED)]

    for number, said in asked(talk, "--from", BUNDLE):
        assert REFUSED[number][2] in said, REFUSED[number]


def test_it_stays_within_the_namespaces_that_were_opened() -> None:
    async def talk(client: Client) -> None:
        assert "only these namespaces" in await refusal(client, "check", namespace="kube-system")
        ends = {"source": "deploy/udp", "destination": "kube-system/svc/kube-dns:53"}
        assert "only these namespaces" in await refusal(client, "why", **ends)
        assert (await answer(client, "check"))["coverage"]["scope"].startswith("namespace shop")

    asked(talk, "--from", BUNDLE, "-n", "shop")


def test_a_live_cluster_gets_no_pods_unless_that_was_asked_for(api: FakeApi, tmp_path: Path) -> None:
    api.lists("/api/v1/nodes", thing("n1", status={"conditions": [{"type": "Ready", "status": "True"}]}))
    api.lists("/api/v1/services", thing("web", "shop", spec={"selector": {"app": "x"}, "ports": [{"port": 80}]}))

    async def talk(client: Client) -> Any:
        return await answer(client, "check", severity="info")

    found = asked(talk, "--kubeconfig", kubeconfig(tmp_path, api.url))
    assert WEB in [each["subject"] for each in found["findings"]]
    assert {str(request.method).rpartition(".")[2] for request in api.handler} == {"GET"}


def test_tools_that_make_pods_say_that_they_do_more_than_read(api: FakeApi, tmp_path: Path) -> None:
    async def talk(client: Client) -> dict[str, bool]:
        return {
            tool.name: bool(tool.annotations and tool.annotations.read_only_hint) for tool in (await client.list_tools()).tools
        }

    more = asked(talk, "--pods", "--trace", "--kubeconfig", kubeconfig(tmp_path, api.url))
    assert {name for name, reads in more.items() if not reads} == {"check", "diff", "trace"}


def test_a_run_that_takes_too_long_is_interrupted_and_may_clean_up(tmp_path: Path) -> None:
    left = tmp_path / "left"
    script = f"trap 'touch {left}; exit' INT; while :; do sleep 0.1; done"
    with pytest.raises(ToolError, match="longer than 3 s"):
        mcp_tools.run_bounded(["sh", "-c", script], 3.0)
    assert left.exists()


def test_a_long_answer_loses_the_ends_of_its_lists_and_says_so() -> None:
    long = {"findings": [{"message": "x" * 300, "objects": list(range(100))} for _ in range(60)]}
    found = mcp_tools._handed_out(long)
    assert len(json.dumps(found)) < mcp_tools.HANDED_OUT + 1000
    shown = found["answer"]["findings"]
    assert 0 < len(shown) < 60
    assert found["entries_left_out"] == 60 - len(shown) + sum(100 - len(each["objects"]) for each in shown)
    with pytest.raises(ToolError, match="too long"):
        mcp_tools._handed_out("x" * (mcp_tools.HANDED_OUT + 1))


@pytest.mark.parametrize("package", EXTRA)
def test_without_the_package_it_says_how_to_install_it(package: str) -> None:
    without = f"import sys; sys.modules[{package!r}] = None; sys.argv = ['x', 'mcp']"
    script = f"{without}\nfrom kubectl_netdoc.cli.main import entry; entry()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=LONGEST, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"kubectl-netdoc: {MISSING}\n")


def test_what_can_not_be_meant_is_one_line() -> None:
    complaint(process("mcp", "--from", BUNDLE, "--pods"), 2)
