# SPDX-License-Identifier: Apache-2.0
"""The resolv.conf that the kubelets write for new pods: another cluster domain, too long, different, unusual ndots."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from kubectl_netdoc.api import Code, Explains, Finding, ResolvConfReply, Risk, Severity, Subject, some
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.components import resolv_conf as limits

FILES = Subject("Cluster", "resolv.conf")

NOT_OURS = Code(
    id="DSE003",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Pods of a node do not search the cluster's domains",
    message="On {nodes}, resolv.conf of new pods has the nameservers {nameservers} and searches {search}, but not svc.{domain} "
    "as on other nodes",
    fix="Set clusterDNS and clusterDomain in the kubelet's configuration on {nodes} as on the other nodes. Restart the kubelet "
    "and recreate the pods there.",
    commands=(
        "kubectl get --raw /api/v1/nodes/{first}/proxy/configz",
        "kubectl get events -A --field-selector reason=MissingClusterDNS",
    ),
    rows=("D2",),
    explains=(Explains(("DNL006", "DSE001", "DSE002", *cluster_dns.WRONG_NAMES, "EXN001"), "node"),),
)
TOO_LONG = Code(
    id="DSE021",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="resolv.conf has more than resolvers read",
    message="On {nodes}, resolv.conf of new pods has {problems}",
    fix="Shorten the resolv.conf of the nodes (the kubelet's resolvConf), from which pods inherit search domains.",
    rows=("D2",),
)
DIFFERENT = Code(
    id="DSE023",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="resolv.conf differs from node to node",
    message="On {nodes}, new pods get another resolv.conf than on other nodes: {differences}",
    fix="If this is not intended, set clusterDNS, clusterDomain and resolvConf alike in the kubelets' configuration: now the "
    "same short name may resolve on some nodes only.",
    rows=("D2",),
)
NDOTS = Code(
    id="DSE024",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Unusual ndots",
    message=f"On {{nodes}}, new pods get ndots {{ndots}}, while the kubelet's own value is {limits.NDOTS}",
    fix="See whether this is intended. With ndots below 2, names such as 'web.shop' are looked up outside the cluster first; "
    f"with more than {limits.NDOTS}, longer external names are looked up in every search domain first.",
    rows=("D2",),
)


def analyse(files: dict[str, ResolvConfReply]) -> Iterator[Finding]:
    """Judge the files by node."""
    yield from _other_domain(files)
    yield from _too_long(files)
    yield from _different(files)
    yield from _ndots(files)


def _domain_of(file: ResolvConfReply) -> str:
    """Return the cluster domain of a search list, which follows ``svc.``; "" if there is none."""
    return next((domain.rstrip(".")[4:] for domain in file.search if domain.startswith("svc.")), "")


def _other_domain(files: dict[str, ResolvConfReply]) -> Iterator[Finding]:
    """Report nodes whose pods search another cluster domain than most, or none."""
    domains = Counter(domain for file in files.values() if (domain := _domain_of(file)))
    if not domains:
        return
    usual = max(domains, key=lambda domain: (domains[domain], domain))
    for node, file in files.items():
        if _domain_of(file) != usual and domains[usual] > domains[_domain_of(file)]:
            evidence = {"nameservers": list(file.nameservers), "search": list(file.search) or "nothing", "domain": usual}
            yield NOT_OURS.on(Subject("Node", node), evidence, nodes=[node], first=node)


def _too_long(files: dict[str, ResolvConfReply]) -> Iterator[Finding]:
    seen: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for node, file in files.items():
        seen[tuple(_problems(file))].append(node)
    for problems, nodes in seen.items():
        if problems:
            yield TOO_LONG.on(FILES, nodes=nodes, problems=problems)


def _problems(file: ResolvConfReply) -> Iterator[str]:
    line = " ".join(("search", *file.search))
    if len(file.nameservers) > limits.MOST_NAMESERVERS:
        yield f"{len(file.nameservers)} nameservers, of which resolvers query the first {limits.MOST_NAMESERVERS}"
    if len(file.search) > limits.MOST_DOMAINS or len(line) > limits.MOST_CHARACTERS:
        most = f"{limits.MOST_DOMAINS} domains and {limits.MOST_CHARACTERS} characters"
        yield f"{len(file.search)} search domains in {len(line)} characters, which is more than {most}"
    elif len(line) > limits.MUSL_LINE:
        yield f"a search line of {len(line)} characters, which musl (Alpine) ignores, as it reads at most {limits.MUSL_LINE}"


def _different(files: dict[str, ResolvConfReply]) -> Iterator[Finding]:
    groups: defaultdict[ResolvConfReply, list[str]] = defaultdict(list)
    for node, file in files.items():
        groups[file].append(node)
    if len(groups) < 2:
        return
    usual = max(groups, key=lambda file: len(groups[file]))
    nodes = sorted(node for file, where in groups.items() if file is not usual for node in where)
    variants = [f"on {some(where, 1)}: {_differing(file, list(groups))}" for file, where in groups.items()]
    yield DIFFERENT.on(FILES, nodes=nodes, variants=variants, differences="; ".join(variants))


def _differing(file: ResolvConfReply, others: list[ResolvConfReply]) -> str:
    """Return the lines of a file that are not the same in all."""
    lines = {
        "nameserver": [other.nameservers for other in others],
        "search": [other.search for other in others],
        "options": [other.options for other in others],
    }
    own = {"nameserver": file.nameservers, "search": file.search, "options": file.options}
    return ", ".join(f"{key} {' '.join(own[key]) or '(none)'}" for key, values in lines.items() if len(set(values)) > 1)


def _ndots(files: dict[str, ResolvConfReply]) -> Iterator[Finding]:
    seen: defaultdict[int, list[str]] = defaultdict(list)
    for node, file in files.items():
        if file.search and (file.ndots < 2 or file.ndots > limits.NDOTS):
            seen[file.ndots].append(node)
    for ndots, nodes in seen.items():
        yield NDOTS.on(FILES, nodes=nodes, ndots=ndots)


CODES = (NOT_OURS, TOO_LONG, DIFFERENT, NDOTS)
