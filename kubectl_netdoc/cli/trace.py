# SPDX-License-Identifier: Apache-2.0
"""``trace``: where do packets from A to B go, and where do they end?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kubectl_netdoc.cli import options
from kubectl_netdoc.cli.parameter_types import OneOf
from kubectl_netdoc.cli.policy_engine import compile_policies, policy_kinds
from kubectl_netdoc.cli.progress import show_progress
from kubectl_netdoc.cli.source import at_most_one, live_source, recorded_source, searched

if TYPE_CHECKING:
    from kubectl_netdoc.core.check import Check
    from kubectl_netdoc.engine.registry import Registry
    from kubectl_netdoc.reachability.trace_question import TraceQuestion, Wanted

CHECK = "packet_path"


@click.command("trace")
@click.argument("source")
@click.argument("destination", metavar="DEST[:PORT]")
@click.option(
    "--protocol",
    type=OneOf("protocol", ("TCP", "UDP", "DNS")),
    show_default="TCP; UDP to a node's debug pod, DNS to port 53",
    help="TCP: connect and close. UDP: datagrams to netdoc's own pod on a node. DNS: queries.",
)
@click.option("--count", type=click.IntRange(1, 100), default=6, show_default=True, help="How many marked packets to send.")
@click.option(
    "--family", type=OneOf("family", ("IPv4", "IPv6")), show_default="the first", help="Of several addresses, the one to use."
)
@options.from_file("origin")
@click.option("-o", "--output", type=OneOf("format", ("text", "json", "html")), default="text", show_default=True)
@options.debug_pods
@options.kubectl_flags
def command(
    source: str, destination: str, protocol: str | None, count: int, family: str | None, origin: str, output: str, **flags: Any
) -> int:
    """Follow marked packets from SOURCE to DEST through every interface of the nodes, and say where they end and what takes them.

    SOURCE and DEST are written as for why: pod/x, deploy/y, svc/z, node/n, or an IP address. The packets are sent by netdoc's pod
    on SOURCE's node, not by SOURCE itself. A node as DEST without a port means netdoc's own pod there.

    It needs the rights of check --privileged. With --from, a trace that the bundle contains is shown again. Exit code 0: all
    packets arrived and were answered; 1: some did not; 4: it could not be traced.
    """
    from kubectl_netdoc.engine import registry
    from kubectl_netdoc.engine.run import run
    from kubectl_netdoc.reachability.named_end import NoSuchEnd
    from kubectl_netdoc.reachability.trace_question import NoSuchTrace, Wanted
    from kubectl_netdoc.report import trace as report

    at_most_one("trace", flags["namespaces"])
    known = registry.load()
    with show_progress() as progress:
        asked = _question((source, destination), Wanted(protocol or "", count, family or ""), origin, flags, progress)
        try:
            whole = run(asked, known, _checks(known), progress)
        except (NoSuchEnd, NoSuchTrace) as error:
            raise click.UsageError(str(error)) from error
    traces = asked.traces(whole.measured)
    click.echo(report.render(traces, whole.report.findings, output), nl=False)
    if not any(trace.reply for trace in traces):
        return 4
    return int(any(not trace.whole for trace in traces))


def _checks(known: Registry) -> tuple[Check, ...]:
    return tuple(check for check in known.checks if check.id == CHECK)


def _question(ends: tuple[str, str], wanted: Wanted, origin: str, flags: dict[str, Any], progress: Any) -> TraceQuestion:
    from kubectl_netdoc.reachability.trace_question import TraceQuestion
    from kubectl_netdoc.records.kinds import COREFILE, ENDPOINT_SLICE, SERVICE

    place = recorded_source(origin) if origin else live_source({**flags, "namespaces": (), "privileged": True}, progress)
    kinds = policy_kinds(SERVICE, ENDPOINT_SLICE, COREFILE)
    return TraceQuestion(place, kinds, compile_policies, ends, searched(flags["namespaces"], place), wanted)
