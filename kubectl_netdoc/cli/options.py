# SPDX-License-Identifier: Apache-2.0
"""Options that several verbs share: kubectl's own flags, and where to look."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kubectl_netdoc.cli import complete

if TYPE_CHECKING:
    from kubectl_netdoc.core.check import Check
    from kubectl_netdoc.core.cluster import Cluster, Selection
    from kubectl_netdoc.core.facts import Measured
    from kubectl_netdoc.core.progress import Progress
    from kubectl_netdoc.engine.registry import Registry
    from kubectl_netdoc.engine.settings import Settings
    from kubectl_netdoc.policy.engine import Engine
    from kubectl_netdoc.records.base import Kind
    from kubectl_netdoc.records.label_selector import Requirements
    from kubectl_netdoc.sources import Source
    from kubectl_netdoc.sources.live.client import Client, Options

F = TypeVar("F", bound=Callable[..., Any])


class Seconds(click.ParamType[float]):
    """A duration as kubectl takes it: 30, 30s, 2m, 1m30s, 500ms; 0 is none."""

    name = "duration"
    _UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, (int, float)):
            return float(value)
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value)
        if not re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h))+", value):
            self.fail(f"{value!r} is no duration such as 30s, 2m or 500ms", param, ctx)
        return sum(float(n) * self._UNITS[unit] for n, _, unit in re.findall(r"(\d+(\.\d+)?)(ms|s|m|h)", value))


class OneOf(click.ParamType[str]):
    """One of some names; a wrong one is answered with the nearest."""

    def __init__(self, what: str, names: Iterable[str]) -> None:
        self.name = what
        self.names = tuple(names)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show the names."""
        return "|".join(self.names)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        if value not in self.names:
            from kubectl_netdoc.engine.registry import UnknownName

            self.fail(str(UnknownName(self.name, value, self.names)), param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> complete.Items:
        """Complete to the names."""
        return complete.matching(((str(name), "") for name in self.names), incomplete)


_NAME = r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_LABELED = _NAME + r"=([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
_AMOUNT = _NAME + r"=\d+(\.\d+)?([mkMGTPE]|[KMGTPE]i)?"
"""A label, and an amount of a resource, as the API takes them (Kubernetes: Labels and Selectors; resource.Quantity)."""


class Pairs(click.ParamType[dict[str, str]]):
    """KEY=VALUE, several with commas between."""

    def __init__(self, what: str, pattern: str) -> None:
        self.name = what
        self.pattern = pattern

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Return the pairs."""
        if isinstance(value, dict):
            return value
        parts = value.split(",")
        for part in parts:
            if not re.fullmatch(self.pattern, part, re.ASCII):
                self.fail(f"{part!r} is no {self.name} as KEY=VALUE", param, ctx)
        return dict(part.split("=", 1) for part in parts)


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


kubectl_flags = _all(
    click.option(
        "-n",
        "--namespace",
        "namespaces",
        multiple=True,
        shell_complete=complete.namespaces,
        help="Look at this namespace only (repeatable).",
    ),
    click.option("-A", "--all-namespaces", is_flag=True, help="Look at the whole cluster (the default)."),
    click.option("--kubeconfig", default="", shell_complete=complete.files, help="Path of the kubeconfig file."),
    *(
        click.option(
            f"--{name}", default="", shell_complete=complete.kubeconfig(f"{name}s"), help=f"The kubeconfig {name} to use."
        )
        for name in ("context", "cluster", "user")
    ),
    click.option("--as", "as_user", default="", help="User to impersonate."),
    click.option("--as-uid", default="", help="UID to impersonate."),
    click.option("--as-group", "as_groups", multiple=True, help="Group to impersonate (repeatable)."),
    click.option("--request-timeout", type=Seconds(), default=0.0, show_default="none", help="Limit for each API request."),
)

debug_pods = _all(
    click.option(
        "--image",
        envvar="NETDOC_IMAGE",
        default="",
        show_default="python:3.13-alpine",
        help="Image of the debug pods; needs python3. auto: one that the nodes have.",
    ),
    click.option("--image-pull-secret", default="", help="Pull secret for that image, which is in --pod-namespace."),
    click.option(
        "--label",
        "labels",
        multiple=True,
        type=Pairs("label", _LABELED),
        metavar="KEY=VALUE",
        help="Label for all that netdoc makes (repeatable).",
    ),
    click.option("--pod-requests", type=Pairs("amount", _AMOUNT), metavar="cpu=20m,…", help="Resources that debug pods request."),
    click.option(
        "--pod-limits",
        type=Pairs("amount", _AMOUNT),
        metavar="memory=64Mi,…",
        help="Their limits; cpu=1,memory=128Mi if not given.",
    ),
    click.option(
        "--pod-namespace",
        default="",
        shell_complete=complete.namespaces,
        help="Run debug pods in this namespace instead of a new one.",
    ),
    click.option("--timeout", type=Seconds(), default=60.0, show_default="60s", help="Limit for the measurements."),
)

measuring = _all(
    click.option("--no-pods", is_flag=True, help="API only: run no debug pod, measure nothing."),
    click.option("--nodes", default="", metavar="all|N|SELECTOR", show_default="30 at most", help="Nodes to measure from."),
    click.option("--node-checks", is_flag=True, help="Run a pod on each node's own network too: kernel, routes, kube-proxy."),
    click.option("--privileged", is_flag=True, help="With NET_ADMIN there: rules, tracked flows, CNI files (and --node-checks)."),
    debug_pods,
    click.option("-v", "--verbose", is_flag=True, help="Print the mesh between nodes, what the run cost, and its load."),
)


def from_file(name: str = "source") -> Callable[[F], F]:
    """Return the option --from under a parameter's name."""
    return click.option(
        "--from",
        name,
        default="",
        metavar="FILE|DIR|-",
        shell_complete=complete.files,
        help="Look at a bundle or at manifests instead of a cluster.",
    )


choosing = _all(
    click.option(
        "--only", multiple=True, metavar="CHECK", shell_complete=complete.checks, help="Run only this check (repeatable)."
    ),
    click.option(
        "--skip", multiple=True, metavar="CHECK", shell_complete=complete.checks, help="Leave this check out (repeatable)."
    ),
)


ignoring = _all(
    click.option(
        "--ignore",
        multiple=True,
        metavar="CODE[=SUBJECT]",
        shell_complete=complete.codes,
        help="Leave this finding out; on subjects like web, shop/* or 'Pod shop/*' (repeatable).",
    ),
    click.option(
        "--threshold",
        multiple=True,
        metavar="CHECK.NAME=N",
        shell_complete=complete.thresholds,
        help="Set a threshold that explain CHECK lists (repeatable).",
    ),
    click.option(
        "--config",
        default="",
        envvar="NETDOC_CONFIG",
        show_default=".netdoc.yaml",
        shell_complete=complete.files,
        help="A file of what to ignore and set.",
    ),
)

targets = _all(
    click.option(
        "--external", multiple=True, metavar="NAME|IP", help="Measure this DNS name or IP address outside too (repeatable)."
    ),
    click.option(
        "--service", "services", multiple=True, metavar="[NS/]NAME", help="Of the Services, look at this one only (repeatable)."
    ),
    click.option(
        "-l", "--selector", default="", metavar="LABELS", help="Of the Services, look at those with these labels, as in kubectl."
    ),
)


def wishes(checks: Iterable[str], flags: Mapping[str, Any]) -> Selection | None:
    """Return what the user asked for beyond the default; None where nothing was, so that a bundle's own wishes count."""
    from kubectl_netdoc.core.cluster import Selection

    external, services = named(flags["external"]), named(flags["services"])
    for name in external:
        if not _outside(name):
            raise click.UsageError(f"--external takes a DNS name or an IP address, without port or path; {name!r} is neither")
    for name in services:
        if not re.fullmatch(rf"({_LABEL}/)?{_LABEL}", name):
            raise click.UsageError(f"--service takes [NAMESPACE/]NAME; {name!r} is no name of a Service")
    wanted = Selection(named(checks, flags["only"]), external, services, requirements("-l", flags["selector"]))
    return None if wanted == Selection() else wanted


_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


def _outside(name: str) -> bool:
    """Whether a text is an IP address or a DNS name: labels of at most 63 characters, 253 in all (RFC 1035, 2.3.4)."""
    from ipaddress import ip_address

    try:
        ip_address(name)
        return "%" not in name
    except ValueError:
        pass
    name = name.removesuffix(".")
    labels = name.split(".")
    label = r"[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?"
    return len(name) <= 253 and all(re.fullmatch(label, part, re.ASCII) for part in labels) and not labels[-1].isdigit()


def requirements(flag: str, selector: str) -> Requirements:
    """Return the requirements of a label selector; what is none is a usage error."""
    from kubectl_netdoc.records.label_selector import BadSelector, parse

    try:
        return parse(selector)
    except BadSelector as error:
        raise click.UsageError(f"{flag}: {error}") from error


def choose(names: Iterable[str], only: Iterable[str], skip: Iterable[str]) -> tuple[Registry, tuple[Check, ...]]:
    """Return the registry and the checks asked for; an unknown name is a usage error with the nearest one."""
    from kubectl_netdoc.engine import registry

    known = registry.load()
    wanted = named(names, only)
    unwanted = named(skip)
    try:
        return known, known.choose(wanted, unwanted)
    except registry.UnknownName as error:
        raise click.UsageError(str(error)) from error


def named(*several: Iterable[str]) -> tuple[str, ...]:
    """Return the names in arguments and options, which may hold several each."""
    return tuple(part for names in several for name in names for part in name.split(","))


def settings(flags: Mapping[str, Any], registry: Registry) -> Settings:
    """Return what the flags and the file want left out or set; flags count first, what can't be understood is a usage error."""
    from datetime import UTC, datetime
    from pathlib import Path

    from kubectl_netdoc.engine.settings import FILE, BadSetting, from_file, from_flags

    path = Path(flags["config"] or FILE)
    try:
        wanted = from_flags(flags["ignore"], flags["threshold"], registry)
        if flags["config"] or path.is_file():
            wanted = wanted.over(from_file(path.read_text(), str(path), registry, datetime.now(UTC).date()))
    except BadSetting as error:
        raise click.UsageError(str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"can't read {path}: {getattr(error, 'strerror', None) or error}") from error
    return wanted


def connection(options: dict[str, Any]) -> Options:
    """Return kubectl's own flags as the client takes them."""
    from kubectl_netdoc.sources.live import client

    return client.Options(**{name: options[name] for name in client.Options.__struct_fields__})


def live(options: dict[str, Any], progress: Progress | None = None) -> Source:
    """Return the live source that the flags describe; ``progress`` is told what it waits for."""
    from kubectl_netdoc.core.tier import Tier
    from kubectl_netdoc.sources.live import client
    from kubectl_netdoc.sources.live import debug_pods as pods
    from kubectl_netdoc.sources.live.source import LiveSource

    _one_scope(options)
    if options["no_pods"] and (options["node_checks"] or options["privileged"]):
        raise click.UsageError("--no-pods excludes --node-checks and --privileged, which run pods")
    nodes = options["nodes"]
    if nodes.isdecimal() and int(nodes) < 1:
        raise click.UsageError("--nodes takes all, a number from 1 on, or a label selector; --no-pods measures from none")
    if nodes != "all" and not nodes.isdecimal():
        requirements("--nodes", nodes)
    settings = pods.Settings(
        nodes=nodes,
        image=options["image"],
        namespace=options["pod_namespace"],
        pull_secret=options["image_pull_secret"],
        timeout=options["timeout"],
        labels={key: value for each in options["labels"] for key, value in each.items()},
        requests=options["pod_requests"] or {},
        limits=options["pod_limits"] or {},
        tier=Tier.PRIVILEGED if options["privileged"] else Tier.NODES if options["node_checks"] else Tier.PODS,
    )
    reader = client.Client(connection(options))
    return LiveSource(reader, options["namespaces"], None if options["no_pods"] else settings, progress)


def _one_scope(options: Mapping[str, Any]) -> None:
    if options["all_namespaces"] and options["namespaces"]:
        raise click.UsageError("-A and -n exclude each other")


def offline(path: str, options: Mapping[str, Any]) -> Source:
    """Return the source in a bundle or in manifests, cut to the namespaces that the flags name."""
    from kubectl_netdoc.sources.namespace_filter import Within

    _one_scope(options)
    source = recorded(path)
    return Within(source, options["namespaces"]) if options["namespaces"] else source


def recorded(path: str) -> Source:
    """Return the source in a bundle, a manifest or a folder of manifests; ``-`` is stdin."""
    import sys
    from pathlib import Path

    from kubectl_netdoc.sources import SourceError, manifests

    place = Path(path)
    try:
        if path != "-" and place.is_dir():
            return manifests.read(place, manifests.warn_on_stderr)
        raw = sys.stdin.buffer.read() if path == "-" else place.read_bytes()
    except OSError as error:
        raise SourceError(f"can't read {path}: {error.strerror}", 2) from error
    return read(raw, "stdin" if path == "-" else path)


def read(raw: bytes, name: str) -> Source:
    """Return the source in the bytes of a bundle or of manifests; ``name`` is for messages."""
    from kubectl_netdoc.sources import bundle, manifests

    if bundle.is_bundle(raw):
        return bundle.load(raw, name)
    documents = [(name, document) for document in manifests.parse(raw, name)]
    return manifests.ManifestSource(name, documents, manifests.warn_on_stderr)


NO_PODS = {
    "nodes": "",
    "no_pods": True,
    "node_checks": False,
    "privileged": False,
    "image": "",
    "pod_namespace": "",
    "image_pull_secret": "",
    "labels": (),
    "pod_requests": None,
    "pod_limits": None,
    "timeout": 0.0,
}


def read_from(place: Source, kinds: Iterable[Kind[Any]]) -> Cluster:
    """Return the cluster of a source, with a line on stderr for each list that is missing.

    Raises ``SourceError`` where nothing can be read.
    """
    with progress() as shown:
        shown.stage("reading the cluster")
        cluster = place.cluster(tuple(kinds))
    tell_missing(cluster, kinds)
    return cluster


def tell_missing(cluster: Cluster, kinds: Iterable[Kind[Any]]) -> None:
    """Print a line on stderr for each of these lists that is missing, and for what was not looked at."""
    from kubectl_netdoc.sources.manifests import warn_on_stderr

    if cluster.scope.namespaces:
        warn_on_stderr(f"only {cluster.scope} could be read: what concerns others is not there")
    for kind in kinds:
        listing = cluster.listing(kind)
        if cluster.unread(kind):
            grant = getattr(listing, "grant", None)
            warn_on_stderr(f"{kind.plural}: {getattr(listing, 'reason', '')}" + (f"; least rule: {grant}" if grant else ""))


def policy_kinds(*more: Kind[Any]) -> tuple[Kind[Any], ...]:
    """Return what is read to evaluate policies, and more."""
    from kubectl_netdoc.records.kinds import NAMESPACE, NODE, OWNERS, POD, POLICIES

    return tuple(dict.fromkeys((NAMESPACE, NODE, POD, *OWNERS, *POLICIES, *more)))


def compiled(cluster: Cluster, strangers: Iterable[tuple[str, Mapping[str, str]]] = ()) -> Engine:
    """Return a cluster's policies, compiled. Raises ``SourceError`` where pods or NetworkPolicies can't be read."""
    from kubectl_netdoc.core.cluster import KindUnavailable
    from kubectl_netdoc.policy.engine import Engine
    from kubectl_netdoc.sources import SourceError

    try:
        return Engine(cluster, strangers)
    except KindUnavailable as missing:
        grant = f"; least rule: {missing.unavailable.grant}" if missing.unavailable.grant else ""
        raise SourceError(f"without {missing.kind} nothing can be said: {missing.unavailable.reason}{grant}") from missing


def engine(source: str, flags: dict[str, Any], *kinds: Kind[Any]) -> Engine:
    """Return the policies that ``--from`` or the flags describe, of all namespaces: one alone would not tell who may come in.

    Raises ``SourceError`` where pods or NetworkPolicies can't be read.
    """
    from kubectl_netdoc.policy.dns_access import STRANGERS

    if flags["all_namespaces"] and flags["namespaces"]:
        raise click.UsageError("-A and -n exclude each other")
    place = recorded(source) if source else live({**flags, **NO_PODS, "namespaces": ()})
    return compiled(read_from(place, policy_kinds(*kinds)), ((STRANGERS, {}),))


@contextmanager
def progress() -> Iterator[Progress]:
    """Show how far a run is, on stderr, while the block runs: a terminal sees it, a pipe or a file only what takes too long."""
    import sys

    from kubectl_netdoc.cli.show import Plain, Show

    if not sys.stderr.isatty():
        yield Plain()
        return
    with Show() as show:
        yield show


WRONG_CLOCK = 60.0
"""Seconds that this machine's clock may differ from the API server's: tokens and certificates are made for no more."""


def cost(source: Source, measured: Measured) -> str:
    """Say what a run cost the API server and the network, a line each."""
    from kubectl_netdoc.measurements import load

    client: Client | None = getattr(source, "client", None)
    api = f"API: {client.usage.calls} calls, {client.usage.bytes / 1024:.0f} KiB" if client else "API: not used"
    probes = sum(len(getattr(reply, "samples", (None,))) for reply in measured.replies.values())
    asked = f"{api}; measured: {len(measured.replies)} requests, {probes} probes from {len(measured.vantages)} nodes"
    put = load.sent(measured.replies)
    lines = [asked, *([load.in_words(put)] if put.total else [])]
    ahead = client.ahead.total_seconds() if client else 0.0
    if abs(ahead) >= WRONG_CLOCK:
        way = "behind" if ahead > 0 else "ahead of"
        lines.append(f"this machine's clock is {abs(ahead):.0f} s {way} the API server's, by which all ages are told")
    return "\n".join(f"kubectl-netdoc: {line}" for line in lines)
