# SPDX-License-Identifier: Apache-2.0
"""What in a Corefile answers for names of Services before the plugin kubernetes does, or in its place.

CoreDNS asks its plugins in the order that it was built with (plugin.cfg): rewrite, template and hosts come before kubernetes,
wherever they stand in the text. Of its server blocks the one with the longest zone is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc.api import (
    SERVICE,
    Cluster,
    Code,
    Corefile,
    CorefileMap,
    CorefilePlugin,
    Explains,
    Finding,
    ObjectRef,
    Risk,
    ServerBlock,
    Service,
    Severity,
    Subject,
    left_open,
    some,
    zone_and_port,
)
from kubectl_netdoc.checks.dns.dns_config.corefile import EDIT, edit, overwritten_by
from kubectl_netdoc.components.cluster_dns import LOOKUPS_FAIL, PORT, WRONG_NAMES

SHOWN = 3
"""Services that a message names at most."""

LONGEST = 200
"""Characters of a regular expression that is tried."""

NESTED = re.compile(r"[+*}]\)[+*{]")
"""A repetition within a repetition, which Python may take for ever to match and CoreDNS does not."""

API = ("default", "kubernetes")

SOME = Code(
    id="DNC020",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="The Corefile answers for a Service's name in place of the API",
    message="In the Corefile of ConfigMap {namespace}/{name} {what} takes {count}: {shown}. The plugin kubernetes is never "
    "asked for that, so pods do not get the Service's address",
    fix="Remove it from the Corefile, or limit it to names outside the cluster's domain.{kept}",
    commands=(EDIT,),
    rows=("D12",),
    explains=(Explains(("DNR002", "DNR003"), "services"),),
)
ALL = Code(
    id="DNC021",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The Corefile answers for the cluster's names in place of the API",
    message="In the Corefile of ConfigMap {namespace}/{name} {what} takes {count}, that of the API server among them: {shown}. "
    "The plugin kubernetes is never asked for those",
    fix="Remove it from the Corefile, or limit it to names outside the cluster's domain.{kept}",
    commands=(EDIT,),
    rows=("D12",),
    explains=(LOOKUPS_FAIL, Explains((*WRONG_NAMES, "DSE001", "DSE002"), "cluster")),
)


class _Name(Struct, frozen=True):
    """The name of a Service, fully qualified, with its last dot."""

    text: str
    service: Service


def analyse(cluster: Cluster, config: CorefileMap) -> Iterator[Finding]:
    """Report what takes names of Services away from the plugin kubernetes."""
    if config.corefile.imports or not cluster.readable(SERVICE):
        return
    taken: dict[str, list[Service]] = {}
    for name in _names(cluster, config.corefile):
        if (block := _block(config.corefile, name)) and (what := _taker(config.corefile, block, name)):
            taken.setdefault(what, []).append(name.service)
    for what, services in taken.items():
        code = ALL if any((each.namespace, each.name) == API for each in services) else SOME
        refs = [ObjectRef.to("Service", each) for each in services]
        count = f"the names of {len(refs)} Services" if len(refs) > 1 else "the name of a Service"
        names = {"what": what, "count": count, "shown": some(refs, SHOWN), "kept": overwritten_by(config)}
        yield code.on(Subject.of("ConfigMap", config), names, commands=edit(config), services=refs)


def _names(cluster: Cluster, corefile: Corefile) -> Iterator[_Name]:
    zones = corefile.cluster_zones[:1]
    for service in cluster.all(SERVICE) if zones else ():
        if service.spec.type != "ExternalName" and service.spec.cluster_ip:
            yield _Name(f"{service.name}.{service.namespace}.svc.{zones[0]}.", service)


def _block(corefile: Corefile, name: _Name) -> ServerBlock | None:
    """Return the block that is asked for a name: that with the longest zone; None where that is not to be told."""
    found: list[tuple[int, ServerBlock]] = []
    for block in corefile.servers:
        if any(left_open(zone) for zone in block.zones) or block.find("view") or block.find("bind"):
            return None
        for zone, port in map(zone_and_port, block.zones):
            if port == PORT and _within(name.text, zone):
                found.append((len(zone.strip(".")), block))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _within(name: str, zone: str) -> bool:
    plain = zone.strip(".").lower()
    return not plain or name.rstrip(".") == plain or name.rstrip(".").endswith(f".{plain}")


def _taker(corefile: Corefile, block: ServerBlock, name: _Name) -> str:
    """Return what takes a name in a block, as a noun; "" where the plugin kubernetes answers, or that is not to be told."""
    if block.find("import"):
        return ""
    for plugin in block.find("rewrite"):
        if (new := _rewritten(plugin, name.text)) is not None:
            own = f"{name.service.name}.{name.service.namespace}.svc."
            return "" if new.startswith(own) and _of(corefile.cluster_zones, new) else "a rewrite"
    for plugin in block.find("template"):
        if _by_template(plugin, block, name.text):
            return f"template {' '.join(plugin.arguments)}".strip()
    for plugin in block.find("hosts"):
        if _by_hosts(plugin, block, name.text):
            return "hosts" if _through(plugin, name.text) else "hosts, which has no fallthrough,"
    if not block.find("kubernetes"):
        return f"the server block {' '.join(block.zones)}, which lacks the plugin kubernetes,"
    return ""


def _by_template(plugin: CorefilePlugin, block: ServerBlock, name: str) -> bool:
    """Whether a template answers for the IPv4 address of a name: one that matches nothing fails without fallthrough."""
    kind, qtype, *zones = (*plugin.arguments, "", "")[: max(2, len(plugin.arguments))]
    if kind.upper() not in ("IN", "ANY") or qtype.upper() not in ("A", "ANY") or not _of(zones or block.zones, name):
        return False
    patterns = [pattern for line in plugin.inside if line[0] == "match" for pattern in line[1:]]
    if any(len(pattern) > LONGEST or NESTED.search(pattern) for pattern in patterns):
        return False
    try:
        matches = not patterns or any(re.search(pattern.replace(r"\z", r"\Z"), name) for pattern in patterns)
    except re.error:
        return False
    return matches or not _through(plugin, name)


def _by_hosts(plugin: CorefilePlugin, block: ServerBlock, name: str) -> bool:
    """Whether hosts has a name, or goes no further where it has not; the first argument is a file."""
    if not _of(plugin.arguments[1:] or block.zones, name):
        return False
    named = {host.rstrip(".").lower() for line in plugin.inside if line[0] == "name" for host in line[1:]}
    return name.rstrip(".") in named or not _through(plugin, name)


def _through(plugin: CorefilePlugin, name: str) -> bool:
    """Whether a plugin hands on a name that it does not have."""
    lines = [line for line in plugin.inside if line[0] == "fallthrough"]
    return any(len(line) == 1 or _of(line[1:], name) for line in lines)


def _of(zones: tuple[str, ...] | list[str], name: str) -> bool:
    return any(_within(name, zone_and_port(zone)[0]) for zone in zones)


def _rewritten(plugin: CorefilePlugin, name: str) -> str | None:
    """Return what a name becomes by a rule of rewrite; None where the rule is not for it, or not one that can be told."""
    words = [word for word in plugin.arguments if word not in ("stop", "continue")]
    if len(words) < 3 or words[0] != "name":
        return None
    how, *rest = words[1:] if words[1] in ("exact", "prefix", "suffix", "substring") else ("exact", *words[1:])
    if len(rest) < 2 or words[1] == "regex":
        return None
    old, new = (text.rstrip(".").lower() for text in rest[:2])
    plain = name.rstrip(".")
    if how == "exact" and plain == old:
        return new
    if how == "prefix" and plain.startswith(old):
        return new + plain[len(old) :]
    if how == "suffix" and plain.endswith(old):
        return plain[: len(plain) - len(old)] + new
    return plain.replace(old, new) if how == "substring" and old in plain else None


CODES = (SOME, ALL)
