# SPDX-License-Identifier: Apache-2.0
"""``why``: can A reach B, and what stops it?"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from kubectl_netdoc.cli import options
from kubectl_netdoc.cli.parameter_types import OneOf
from kubectl_netdoc.cli.policy_engine import compile_policies, policy_kinds
from kubectl_netdoc.cli.progress import show_progress
from kubectl_netdoc.cli.source import at_most_one, live_source, recorded_source, searched, tell_missing

if TYPE_CHECKING:
    from kubectl_netdoc.core.cluster import Cluster
    from kubectl_netdoc.core.facts import Facts
    from kubectl_netdoc.policy.engine import Engine
    from kubectl_netdoc.reachability.explanation import Explanation, Question
    from kubectl_netdoc.reachability.probe import ProbeResult
    from kubectl_netdoc.reachability.question_run import QuestionSource
    from kubectl_netdoc.records.base import Kind
    from kubectl_netdoc.sources import Source
    from kubectl_netdoc.sources.live.source import LiveSource


@click.command("why")
@click.argument("source")
@click.argument("destination", metavar="DEST[:PORT]")
@click.option("--protocol", type=OneOf("protocol", ("TCP", "UDP", "SCTP")), default="TCP", show_default=True)
@options.from_file("origin")
@click.option("-o", "--output", type=OneOf("format", ("text", "json")), default="text", show_default=True)
@click.option("--probe", is_flag=True, help="Also try the connection, from a debug pod on the source's node.")
@click.option(
    "--target",
    is_flag=True,
    help="With --probe: also try it from inside the source pod. This adds an ephemeral container that can't be removed.",
)
@click.option(
    "--privileged", is_flag=True, help="With --probe: also follow the packets of what fails through the nodes (see trace)."
)
@click.option("-y", "--yes", is_flag=True, help="Don't ask before adding the ephemeral container to the source pod.")
@options.debug_pods
@options.kubectl_flags
def command(source: str, destination: str, protocol: str, origin: str, output: str, **flags: Any) -> int:
    """Can SOURCE reach DEST? Show every hop, what was found and measured there, what stops the connection, and the smallest fix.

    SOURCE and DEST are written as in kubectl (pod/x, deploy/y, svc/z, node/n), or are an IP address or a DNS name. -n sets
    the namespace; NAMESPACE/KIND/NAME names an object of another one.

    With --from a bundle, the answer uses everything that was measured for it. For a live cluster it uses the objects in the
    API, and with --probe also measurements along the path. Exit code 0: nothing stops or weakens the connection; 1:
    something does, or it is not known.
    """
    from kubectl_netdoc.engine import registry
    from kubectl_netdoc.reachability.named_end import NoSuchEnd
    from kubectl_netdoc.reachability.question_run import QuestionSource, answer, relevant_checks
    from kubectl_netdoc.report.why import render

    _fitting(origin, flags)
    place = recorded_source(origin) if origin else _live(flags)
    kinds = policy_kinds(*_read())
    namespace = searched(flags["namespaces"], place)
    asked = QuestionSource(place, kinds, _compiled, _question(source, destination, protocol, namespace), probed=flags["probe"])
    known = registry.load()
    if flags["probe"]:
        _ready_to_try(asked, flags)
    checks = relevant_checks(known.checks, not origin, flags["probe"], flags["privileged"])
    try:
        with show_progress() as shown:
            explanation, facts = answer(asked, known, checks, shown)
    except NoSuchEnd as error:
        raise click.UsageError(str(error)) from error
    tell_missing(facts.cluster, kinds)
    tried = _tried(place, asked, explanation, facts, flags) if flags["probe"] else []
    click.echo(render(explanation, tried, output), nl=False)
    return int(explanation.answer != "yes" or any(one.agrees is False for one in tried))


def _read() -> tuple[Kind[Any], ...]:
    from kubectl_netdoc.records.cni import NETWORK_AGENT
    from kubectl_netdoc.records.kinds import COREFILE, ENDPOINT_SLICE, SERVICE

    return SERVICE, ENDPOINT_SLICE, COREFILE, NETWORK_AGENT


def _fitting(origin: str, flags: dict[str, Any]) -> None:
    if origin and flags["probe"]:
        raise click.UsageError("--probe needs a live cluster; it can't be used with --from")
    at_most_one("why", flags["namespaces"])
    for name in ("target", "privileged"):
        if flags[name] and not flags["probe"]:
            raise click.UsageError(f"--{name} needs --probe")


def _live(flags: dict[str, Any]) -> Source:
    return live_source({**flags, "namespaces": (), "no_pods": not flags["probe"]})


def _compiled(cluster: Cluster) -> Engine:
    from kubectl_netdoc.probes import own_policies

    return compile_policies(cluster, ((cluster.own_namespace, own_policies.LABELS),))


def _question(source: str, destination: str, protocol: str, namespace: str) -> Callable[[Engine], Question]:
    """Return a function that finds both ends. A name is searched from the source's namespace on, as its resolver does."""
    from kubectl_netdoc.reachability.explanation import Question
    from kubectl_netdoc.reachability.named_end import find, split_port

    def ask(engine: Engine) -> Question:
        name, port = split_port(destination)
        start = find(engine, source, namespace)
        return Question(start, find(engine, name, namespace, start.namespace), port, protocol)

    return ask


def _ready_to_try(asked: QuestionSource, flags: dict[str, Any]) -> None:
    """Check the question, and ask the user about the ephemeral container, before anything is measured."""
    ask = asked.ask

    def agreed(engine: Engine) -> Question:
        from kubectl_netdoc.reachability import probe
        from kubectl_netdoc.reachability.connection_path import ConnectionPath
        from kubectl_netdoc.reachability.translation import translate
        from kubectl_netdoc.records.kinds import POD

        question = ask(engine)
        end = next((end for end in question.source.ends if end.node), None)
        if end is None:
            raise click.UsageError(
                f"{question.source.text} runs on no known node, so there is no node to try the connection from"
            )
        if not probe.requests(ConnectionPath(engine, question, translate(engine, question)[0]), end.node):
            raise click.UsageError("--probe needs a TCP port and a destination with an address; write DEST:PORT")
        if flags["target"]:
            _agree(end.label, engine.cluster.get(POD, *end.pod) is not None, flags["yes"])
        return question

    asked.ask = agreed


def _tried(
    place: Source, asked: QuestionSource, explanation: Explanation, facts: Facts, flags: dict[str, Any]
) -> list[ProbeResult]:
    """Return the tries of the connection: from a debug pod on the source's node, and with --target from inside the source."""
    from kubectl_netdoc.reachability import probe
    from kubectl_netdoc.records.kinds import POD
    from kubectl_netdoc.sources.live.source import LiveSource

    end = next(end for end in explanation.question.source.ends if end.node)
    tried = [
        probe.from_node(asked.engine, explanation, end.node, request, to, facts.reply(request)) for request, to in asked.attempts
    ]
    pod = facts.cluster.get(POD, *end.pod) if flags["target"] else None
    if pod is None or not isinstance(place, LiveSource):
        return tried
    return tried + _inside(place, asked.engine, explanation, asked.attempts, pod)


def _inside(place: LiveSource, engine: Engine, explanation: Explanation, attempts: list[Any], pod: Any) -> list[ProbeResult]:
    from kubectl_netdoc.measurements.base import Lost
    from kubectl_netdoc.reachability import probe
    from kubectl_netdoc.sources.live import ephemeral_container
    from kubectl_netdoc.sources.live.images import DEFAULT

    image = place.settings.image if place.settings else DEFAULT
    asked = tuple(request for request, _ in attempts)
    replies = ephemeral_container.measure(place.client, pod, image, asked, seconds=30.0)
    source = engine.pod(pod)
    return [probe.from_inside(engine, explanation, source, r, to, replies.get(r, Lost("no reply"))) for r, to in attempts]


def _agree(label: str, is_pod: bool, yes: bool) -> None:
    if not is_pod:
        raise click.UsageError(f"--target needs a pod as source; {label} is not a pod")
    text = "It ends after a minute, but stays listed in the pod until the pod is deleted."
    click.echo(f"kubectl-netdoc: an ephemeral container will be added to {label}. {text}", err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("--target asks first; without a terminal it needs --yes")
    if not click.confirm("Continue?", err=True):
        raise click.UsageError("cancelled; nothing was changed")
