# SPDX-License-Identifier: Apache-2.0
"""What CoreDNS says of a Corefile that it does not take: at its start, or where a running server does not change to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from kubectl_netdoc import versions
from kubectl_netdoc.api import (
    DNS_LOG,
    POD,
    Cause,
    Cluster,
    Code,
    CorefileMap,
    Finding,
    Pod,
    Risk,
    Service,
    Severity,
    Subject,
    Wrong,
    joined,
    left_open,
    typo,
)
from kubectl_netdoc.checks.dns.dns_config.corefile import EDIT, UNREADABLE, edit, named_upstreams, overwritten_by
from kubectl_netdoc.checks.dns.dns_config.logs import causes
from kubectl_netdoc.components import cluster_dns, coredns_plugins

HOW = {
    Wrong.PLUGIN: "This CoreDNS has no plugin {token}: correct its name, or remove it with its braces.",
    Wrong.OPTION: "This version of {plugin} does not know that option: correct its name or remove it.",
    Wrong.ARGUMENTS: "Give {plugin} as many arguments as it takes; an opening brace belongs to the end of the plugin's own line.",
    Wrong.BRACES: "Look for a brace or a comma that is missing or too many, at that line or before it.",
    Wrong.SNIPPET: "Give each snippet a name of its own, and let none import itself.",
    Wrong.IMPORT: "Import one file that is there: is its ConfigMap mounted into the DNS pods?",
    Wrong.FILE: "Make the file readable in the DNS pods (is its ConfigMap or Secret mounted?), or do not name it.",
    Wrong.NAME: f"Name upstream resolvers by address. From CoreDNS {coredns_plugins.FORWARD_NAMES} on forward takes names, too; "
    "they must resolve when CoreDNS starts; a variable of the environment ({{$NAME}}) must be set in the DNS pods.",
    Wrong.TWICE: "Use it once in a server block: remove all but one.",
    Wrong.ZONE: "Give each zone one server block for a port and an address, and write it as a domain name.",
    Wrong.LISTEN: "Name an address that the DNS pods have, with its port (':9153').",
    Wrong.TLS: "Make the certificate and its key readable in the DNS pods (is their Secret mounted?).",
    Wrong.UNIT: "Give the duration a unit ('30s').",
    Wrong.VALUE: "Correct the value of {plugin}.",
}
"""What to change, by what is wrong."""

GONE = frozenset({"upstream", "resyncperiod"})
"""Options that old Corefiles have and that no version from 1.11 on takes."""

NOT_RELOADED = Code(
    id="DNC018",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="DNS servers refused a change of their Corefile",
    message="In the last hour these DNS pods did not take a change of the Corefile in ConfigMap {namespace}/{name} and went on "
    "with the one before: {pods}. They said: {problem}. If it stands in the ConfigMap still, servers that restart will not start",
    fix="{how} There is nothing to do if the ConfigMap was set back since.",
    commands=(EDIT,),
    rows=("D10",),
)


UNKNOWN_PLUGIN = Code(
    id="DNC019",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="The Corefile has a plugin that CoreDNS is not released with",
    message="The Corefile in ConfigMap {namespace}/{name} has {plugins}, and {which} is not released with such plugins. A server "
    "whose image has none does not start with this Corefile",
    fix="There is nothing to do if the image of the DNS pods is built with it. Otherwise correct the name, remove the plugin, or "
    "run a version of CoreDNS that has it.",
    commands=(EDIT,),
    rows=("D10",),
)


def analyse(cluster: Cluster, config: CorefileMap, dns: Service) -> Iterator[Finding]:
    """Report a Corefile that can be parsed and that CoreDNS refuses: an unknown plugin, an argument that a plugin rejects.

    Of the servers that are not ready the last start counts, unless the Corefile was changed after it.
    """
    readable = cluster.readable(DNS_LOG) and cluster.readable(POD) and not config.corefile.problem
    logs = cluster_dns.logs(cluster) if readable else {}
    pods = cluster_dns.pods(cluster, dns) if logs else []
    subject, commands = Subject.of("ConfigMap", config), edit(config)
    for pod in pods:
        for cause in causes(logs, pod, "Corefile refused") if not (pod.ready or _mended(config, pod)) else ():
            problem = f"{cause.detail} (log of DNS pod {pod.name})"
            names = {"problem": problem, "kept": overwritten_by(config), "how": f"{how(cluster, dns, cause)} "}
            yield UNREADABLE.on(subject, names, commands=commands, objects=(Subject.of("Pod", pod),))
            return
    refusing = [pod for pod in pods if pod.ready and causes(logs, pod, "changed Corefile refused")]
    if refusing:
        cause = causes(logs, refusing[0], "changed Corefile refused")[0]
        told: dict[str, object] = {"pods": [pod.name for pod in refusing], "problem": cause.detail}
        told["how"] = how(cluster, dns, cause)
        yield NOT_RELOADED.on(subject, told, commands=commands, objects=[Subject.of("Pod", pod) for pod in refusing])


def _mended(config: CorefileMap, pod: Pod) -> bool:
    """Whether the Corefile was changed after the pod's container last ended."""
    ended = [state.last_state.terminated or state.state.terminated for state in pod.status.container_statuses]
    times = [each.finished_at for each in ended if each and each.finished_at]
    changes = [each.time for each in config.metadata.managed_fields if each.time]
    return bool(times and changes) and max(changes) > max(times)


def how(cluster: Cluster, dns: Service, cause: Cause) -> str:
    """Return what to change in the Corefile, as a sentence, by what was refused."""
    refusal = cause.refusal
    if refusal is None:
        return "Correct the Corefile."
    told = HOW[refusal.wrong].format(token=refusal.token or "of that name", plugin=refusal.plugin or "the plugin")
    if refusal.wrong is Wrong.OPTION and refusal.token in coredns_plugins.ALL:
        return f"{refusal.token} is a plugin of its own: close the brace of {refusal.plugin} before it."
    if refusal.wrong is Wrong.OPTION and refusal.token in GONE:
        return f"CoreDNS has no option {refusal.token} any more: remove it."
    if refusal.wrong is Wrong.PLUGIN:
        if meant := typo(refusal.token, coredns_plugins.ALL):
            return f"{told} Is {meant} meant?"
        if since := coredns_plugins.PLUGINS.stages.get(refusal.token):
            run = sorted(coredns_plugins.versions(cluster, dns))
            return f"{told} CoreDNS has it from {since} on; the DNS pods run {joined(run) or 'another version'}."
    return told


def as_written(cluster: Cluster, config: CorefileMap, dns: Service | None) -> Iterator[Finding]:
    """Report what the version of CoreDNS does not take or come with, unless a server has started with this Corefile."""
    pods = cluster_dns.pods(cluster, dns) if dns and cluster.readable(POD) else []
    changes = [each.time for each in config.metadata.managed_fields if each.time]
    untried = cluster.origin == "manifests" or (changes and not any(pod.ready and _since(pod) > max(changes) for pod in pods))
    if config.corefile.problem or not untried:
        return
    subject, found = Subject.of("ConfigMap", config), coredns_plugins.versions(cluster, dns) if dns else set()
    upstreams = named_upstreams(config.corefile)
    if upstreams and dns and coredns_plugins.all_before(cluster, dns, coredns_plugins.FORWARD_NAMES):
        problem = f"forward has the name {joined(upstreams)}, and CoreDNS {joined(sorted(found))} takes addresses and files alone"
        names = {"problem": problem, "kept": overwritten_by(config), "how": f"{HOW[Wrong.NAME].format()} "}
        yield UNREADABLE.on(subject, names, commands=edit(config))
    named = {plugin.name for server in config.corefile.servers for plugin in server.plugins if not left_open(plugin.name)}
    if lacking := sorted(name for name in named if not coredns_plugins.known(name, found)):
        which = f"CoreDNS {joined(sorted(found))}" if found else f"CoreDNS up to {versions.table().newest['CoreDNS']}"
        yield UNKNOWN_PLUGIN.on(subject, commands=edit(config), plugins=lacking, which=which)


def _since(pod: Pod) -> datetime:
    return pod.metadata.creation_timestamp or datetime.min.replace(tzinfo=UTC)


CODES = (NOT_RELOADED, UNKNOWN_PLUGIN)
