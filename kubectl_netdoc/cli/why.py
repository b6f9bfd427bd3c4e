# SPDX-License-Identifier: Apache-2.0
"""``why``: can A reach B, and what stops it?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from kubectl_netdoc.cli import options
from kubectl_netdoc.cli.options import OneOf

if TYPE_CHECKING:
    from kubectl_netdoc.policy.engine import Engine
    from kubectl_netdoc.sources import Source
    from kubectl_netdoc.sources.live.source import LiveSource
    from kubectl_netdoc.trial import Tried
    from kubectl_netdoc.why import Story


@click.command("why")
@click.argument("source")
@click.argument("destination", metavar="DEST[:PORT]")
@click.option("--protocol", type=OneOf("protocol", ("TCP", "UDP", "SCTP")), default="TCP", show_default=True)
@options.from_file("origin")
@click.option("-o", "--output", type=OneOf("format", ("text", "json")), default="text", show_default=True)
@click.option("--probe", is_flag=True, help="Try it too, from a debug pod on the source's node.")
@click.option("--target", is_flag=True, help="With --probe: also from inside the source pod, by a container that stays.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask before an ephemeral container is put into the source pod.")
@options.debug_pods
@options.kubectl_flags
def command(source: str, destination: str, protocol: str, origin: str, output: str, **flags: Any) -> int:
    """Can SOURCE reach DEST? Every hop with its verdict, the first that stops it, and the smallest fix.

    SOURCE and DEST are as in kubectl: pod/x deploy/y svc/z node/n, an address, or a name; -n gives the namespace, and
    NAMESPACE/KIND/NAME another one. Exit code 0: nothing stops it; 1: something does, or it could not be told.
    """
    from kubectl_netdoc.facts import Facts, Measured
    from kubectl_netdoc.places import NoSuchPlace, find, split_port
    from kubectl_netdoc.policy import own
    from kubectl_netdoc.records import COREFILE, ENDPOINT_SLICE, NETWORK_AGENT, SERVICE
    from kubectl_netdoc.report.why import render
    from kubectl_netdoc.why import Question, why

    if origin and flags["probe"]:
        raise click.UsageError("--probe needs a cluster: it can't be had with --from")
    if len(flags["namespaces"]) > 1:
        raise click.UsageError("why takes one -n; NAMESPACE/KIND/NAME names what is elsewhere")
    if flags["target"] and not flags["probe"]:
        raise click.UsageError("--target goes with --probe")
    place = (
        options.recorded(origin)
        if origin
        else options.live(
            {**flags, "no_pods": not flags["probe"], "nodes": "", "node_checks": False, "privileged": False, "namespaces": ()}
        )
    )
    cluster = options.read_from(place, options.policy_kinds(SERVICE, ENDPOINT_SLICE, COREFILE, NETWORK_AGENT))
    engine = options.compiled(cluster, ((cluster.own_namespace, own.LABELS),))
    namespace = flags["namespaces"][0] if flags["namespaces"] else getattr(getattr(place, "client", None), "namespace", "default")
    facts = Facts(cluster, place.measure(cluster, ()) if origin else Measured())
    try:
        name, port = split_port(destination)
        ends = find(engine, source, namespace), find(engine, name, namespace)
        story = why(engine, facts, Question(*ends, port, protocol))
    except NoSuchPlace as error:
        raise click.UsageError(str(error)) from error
    tried = _probe(place, engine, story, flags) if flags["probe"] else []
    click.echo(render(story, tried, output), nl=False)
    return int(story.answer != "yes" or any(one.agrees is False for one in tried))


def _probe(place: Source, engine: Engine, story: Story, flags: dict[str, Any]) -> list[Tried]:
    """Try it from a debug pod on the source's node, and from inside the source where that is asked for and agreed to."""
    from kubectl_netdoc import trial
    from kubectl_netdoc.facts import Facts
    from kubectl_netdoc.records import POD
    from kubectl_netdoc.sources.live.source import LiveSource

    end = next((end for end in story.question.source.ends if end.node), None)
    if end is None or not isinstance(place, LiveSource):
        raise click.UsageError(f"{story.question.source.text} runs on no node that is known: there is nowhere to try it from")
    attempts = trial.requests(story, end.node)
    if not attempts:
        raise click.UsageError("--probe needs a TCP port and a destination with an address: DEST:PORT")
    pod = engine.cluster.get(POD, *end.pod) if flags["target"] else None
    if flags["target"]:
        _agree(end.label, pod is not None, flags["yes"])
    engine.cluster.vantages = (end.node,)
    measured = place.measure(engine.cluster, tuple(request for request, _ in attempts))
    facts = Facts(engine.cluster, measured)
    tried = [trial.from_node(engine, story, end.node, request, to, facts.reply(request)) for request, to in attempts]
    return tried + _inside(place, engine, story, attempts, pod) if pod is not None else tried


def _inside(place: LiveSource, engine: Engine, story: Story, attempts: list[Any], pod: Any) -> list[Tried]:
    from kubectl_netdoc import trial
    from kubectl_netdoc.requests import Lost
    from kubectl_netdoc.sources.live import inside
    from kubectl_netdoc.sources.live.images import DEFAULT

    image = place.settings.image if place.settings else DEFAULT
    asked = tuple(request for request, _ in attempts)
    replies = inside.measure(place.client, pod, image, asked, seconds=30.0)
    source = engine.pod(pod)
    return [trial.from_inside(engine, story, source, r, to, replies.get(r, Lost("no reply"))) for r, to in attempts]


def _agree(label: str, is_pod: bool, yes: bool) -> None:
    if not is_pod:
        raise click.UsageError(f"--target needs a pod: {label} is none")
    text = "It ends after a minute and can't be removed: it is listed until the pod goes."
    click.echo(f"kubectl-netdoc: an ephemeral container is put into {label}. {text}", err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("--target asks before it does that: without a terminal it needs --yes")
    if not click.confirm("Go on?", err=True):
        raise click.UsageError("nothing was done")
