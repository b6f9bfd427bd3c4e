# SPDX-License-Identifier: Apache-2.0
"""Does the search list of pods lead where it should, and what does it cost?

## What it looks at
The resolv.conf of each debug pod, as the kubelet makes it: nameservers, search domains, options. From each node, a name that
can't exist (under `.invalid`, RFC 6761) in each of the cluster's own search domains: how long the negative answers take, and
whether they are negative. With `--external NAME`, that name itself. What a kubelet says that it left out, `dns_config` tells.

## Why it matters
With `ndots:5` an external name is first asked for in every search domain, as A and AAAA: ten queries in place of two. A search
domain that answers any name (a wildcard record) sends all of them to one wrong place. One that answers none makes them wait.

## What it can't see
The search domains that pods inherit from their node are shown and not asked: names there would leave the cluster. A pod's own
dnsConfig or dnsPolicy: a debug pod has the default one, ClusterFirst.

## Sources
resolv.conf(5); Kubernetes: DNS for Services and Pods; musl's resolvconf.c; coredns#6202; failure catalogue D2.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    SERVICE,
    Check,
    Cluster,
    Code,
    DnsLookup,
    DnsReply,
    Explains,
    Facts,
    Finding,
    Lost,
    Needs,
    Outcome,
    Request,
    ResolvConf,
    ResolvConfNameserver,
    ResolvConfReply,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    percentile,
)
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes import dns_lookups

NOBODY = "nobody.netdoc.invalid"
"""A name that nobody has: .invalid never exists (RFC 6761, 6.4)."""

SAMPLES = 3
"""Pairs of queries for each search domain."""

MOST_EXTERNAL = 3
"""External names that are asked for at most."""

USUAL_NDOTS = 5
"""What the kubelet writes (pkg/kubelet/network/dns: defaultDNSOptions)."""

MOST_NAMESERVERS = 3
"""MAXNS of glibc and musl; the kubelet's limit too (validation.MaxDNSNameservers)."""

MOST_DOMAINS, MOST_CHARACTERS = 32, 2048
"""The kubelet's limits of a search line (validation.MaxDNSSearchPaths, MaxDNSSearchListChars)."""

MUSL_LINE = 254
"""Characters of a line that musl reads; it ignores a longer one (resolvconf.c: char line[256])."""

THROTTLED = 0.05
"""Seconds that the CPU limit may hold a debug pod back before its times say nothing about the network."""

WILDCARD = Code(
    id="DSE001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="A search domain answers for any name",
    message="From {nodes}, {server} answers {query}, which can't exist, with {answer}: every external name with fewer dots than "
    "ndots is taken for one in {domains}",
    fix="Find the wildcard: a template, rewrite or file in the Corefile, or a kubernetes plugin that falls through to an "
    "upstream with one. Until then a trailing dot helps.",
    commands=("kubectl -n {dns_space} get configmap {dns_config} -o yaml",),
    rows=("D2", "D10"),
    explains=(Explains(("DNR002", "DNR003", "DNR004", "EXN001"), "cluster"),),
)
NO_NEGATIVE = Code(
    id="DSE002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="DNS does not say that a name does not exist",
    message="From {nodes}, {server} answers for names that exist, and for one that does not, {query}, comes {outcomes}; so it "
    "is in {domains}",
    fix="Each external name waits for these first, and musl gives up at the first SERVFAIL: see to what upstream the Corefile's "
    "kubernetes plugin falls through.",
    commands=(
        "kubectl -n {dns_space} get configmap {dns_config} -o yaml",
        "kubectl -n {dns_space} logs --tail=20 -l {dns_pods}",
    ),
    rows=("D2", "D9"),
)
NOT_OURS = Code(
    id="DSE003",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Pods of a node do not search the cluster's names",
    message="On {nodes}, resolv.conf of a pod has nameserver {nameservers} and search {search}, not svc.{domain} as elsewhere",
    fix="The kubelet there lacks clusterDNS or clusterDomain, or has another: make its configuration like the others', restart "
    "it, and recreate its pods.",
    commands=(
        "kubectl get --raw /api/v1/nodes/{first}/proxy/configz",
        "kubectl get events -A --field-selector reason=MissingClusterDNS",
    ),
    rows=("D2",),
    explains=(Explains(("DNL006", "DSE001", "DSE002", "DNR002", "DNR003", "DNR004", "EXN001"), "node"),),
)
COST = Code(
    id="DSE020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="What the search list costs",
    message="From {nodes}, an external name with fewer than {ndots} dots takes {queries} queries ({searched} search domains and "
    "itself, A and AAAA): {ms} ms of negative answers in the cluster's own domains. {external}",
    fix="For what asks for many external names: a dot at their end saves {saved} queries, and so does ndots 2 in the pod's "
    "dnsConfig where they have two dots.",
    commands=("kubectl explain pod.spec.dnsConfig.options",),
    rows=("D2",),
)
TOO_LONG = Code(
    id="DSE021",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="resolv.conf says more than resolvers read",
    message="On {nodes}, resolv.conf of a pod has {problems}",
    fix="Shorten the node's resolv.conf (the kubelet's resolvConf), of which pods inherit the search domains.",
    rows=("D2",),
)
DIFFERENT = Code(
    id="DSE023",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="resolv.conf differs from node to node",
    message="Pods get another resolv.conf on {nodes} than elsewhere: {variants}",
    fix="If that is not meant, make the kubelets' clusterDNS, clusterDomain and resolvConf alike: short names resolve on some "
    "nodes only.",
    rows=("D2",),
)
NDOTS = Code(
    id="DSE024",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Unusual ndots",
    message="On {nodes}, pods get ndots {ndots}, where the kubelet writes 5",
    fix="With less than 2, names such as 'web.shop' are asked for outside first; with more than 5, longer names are searched.",
    rows=("D2",),
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask from each vantage: its resolv.conf, a name that can't exist in each search domain, names that were given."""
    for node in cluster.vantages:
        yield ResolvConf(node)
        yield dns_lookups.lookup(cluster, node)
        yield from (_nobody(node, suffix) for suffix in _suffixes(cluster))
        yield from (
            dns_lookups.outside(node, name) for name in _names(cluster) if node in cluster.vantages[: dns_lookups.OBSERVERS]
        )


def _suffixes(cluster: Cluster) -> tuple[str, ...]:
    """The search domains that each pod has of the cluster; one of many namespaces stands for the pod's own."""
    domain = cluster_dns.domain(cluster)
    return f"default.svc.{domain}", f"svc.{domain}", domain


def _nobody(node: str, suffix: str) -> DnsLookup:
    return DnsLookup(node, ResolvConfNameserver(), f"{NOBODY}.{suffix}.", samples=SAMPLES, parallel=True)


def _names(cluster: Cluster) -> list[str]:
    names = [name.rstrip(".") for name in cluster.wishes.external if ":" not in name and not name[-1:].isdigit()]
    return names[:MOST_EXTERNAL]


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the files that the kubelets wrote, then what the servers say to a name that can't exist."""
    if not facts.vantages:
        raise Skip(facts.why_not)
    files: dict[str, ResolvConfReply] = {}
    for vantage in facts.vantages:
        reply = facts.reply(ResolvConf(vantage.node))
        if isinstance(reply, ResolvConfReply):
            files[vantage.node] = reply
        elif isinstance(reply, Lost):
            why = reply.reason if vantage.running else f"no debug pod ran there: {vantage.reason}"
            yield Unseen(f"resolv.conf on node {vantage.node}", why, asked=True)
    yield from _foreign(files)
    yield from _too_long(files)
    yield from _different(files)
    yield from _ndots(files)
    yield from _negative(facts, list(files))
    yield from _cost(facts, files)


def _domain_of(file: ResolvConfReply) -> str:
    """The cluster domain that a search list tells: what follows ``svc.``."""
    return next((domain.rstrip(".")[4:] for domain in file.search if domain.startswith("svc.")), "")


def _foreign(files: dict[str, ResolvConfReply]) -> Iterator[Finding]:
    """Nodes whose pods search another cluster domain than most, or none; nothing where no node has one."""
    domains = Counter(domain for file in files.values() if (domain := _domain_of(file)))
    if not domains:
        return
    usual = max(domains, key=lambda domain: (domains[domain], domain))
    for node, file in files.items():
        if _domain_of(file) != usual and domains[usual] > domains[_domain_of(file)]:
            numbers = {"nameservers": list(file.nameservers), "search": list(file.search) or "nothing", "domain": usual}
            yield NOT_OURS.on(Subject("Node", node), numbers, nodes=[node], first=node)


def _too_long(files: dict[str, ResolvConfReply]) -> Iterator[Finding]:
    seen: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for node, file in files.items():
        seen[tuple(_problems(file))].append(node)
    for problems, nodes in seen.items():
        if problems:
            yield TOO_LONG.on(Subject("Cluster", "resolv.conf"), nodes=nodes, problems=problems)


def _problems(file: ResolvConfReply) -> Iterator[str]:
    line = " ".join(("search", *file.search))
    if len(file.nameservers) > MOST_NAMESERVERS:
        yield f"{len(file.nameservers)} nameservers, of which resolvers ask the first {MOST_NAMESERVERS}"
    if len(file.search) > MOST_DOMAINS or len(line) > MOST_CHARACTERS:
        yield f"{len(file.search)} search domains in {len(line)} characters, more than {MOST_DOMAINS} or {MOST_CHARACTERS}"
    elif len(line) > MUSL_LINE:
        yield f"a search line of {len(line)} characters, which musl (Alpine) ignores as a whole: it reads {MUSL_LINE}"


def _different(files: dict[str, ResolvConfReply]) -> Iterator[Finding]:
    groups: defaultdict[ResolvConfReply, list[str]] = defaultdict(list)
    for node, file in files.items():
        groups[file].append(node)
    if len(groups) < 2:
        return
    usual = max(groups, key=lambda file: len(groups[file]))
    nodes = sorted(node for file, where in groups.items() if file is not usual for node in where)
    variants = [f"{where[0]} (of {len(where)}): {_differing(file, list(groups))}" for file, where in groups.items()]
    yield DIFFERENT.on(Subject("Cluster", "resolv.conf"), nodes=nodes, variants=variants)


def _differing(file: ResolvConfReply, others: list[ResolvConfReply]) -> str:
    parts = {
        "nameserver": [other.nameservers for other in others],
        "search": [other.search for other in others],
        "options": [other.options for other in others],
    }
    own = {"nameserver": file.nameservers, "search": file.search, "options": file.options}
    return "; ".join(f"{key} {' '.join(own[key]) or '(none)'}" for key, values in parts.items() if len(set(values)) > 1)


def _ndots(files: dict[str, ResolvConfReply]) -> Iterator[Finding]:
    seen: defaultdict[int, list[str]] = defaultdict(list)
    for node, file in files.items():
        if file.search and (file.ndots < 2 or file.ndots > USUAL_NDOTS):
            seen[file.ndots].append(node)
    for ndots, nodes in seen.items():
        yield NDOTS.on(Subject("Cluster", "resolv.conf"), nodes=nodes, ndots=ndots)


class _Walk:
    """The negative answers that a node got, by search domain."""

    def __init__(self, facts: Facts, node: str) -> None:
        replies = {suffix: facts.reply(_nobody(node, suffix)) for suffix in _suffixes(facts.cluster)}
        self.replies = {suffix: reply for suffix, reply in replies.items() if isinstance(reply, DnsReply)}
        self.lost = next((reply.reason for reply in replies.values() if isinstance(reply, Lost)), "")
        control = facts.reply(dns_lookups.lookup(facts.cluster, node))
        samples = control.samples if isinstance(control, DnsReply) else ()
        self.server = control.server if isinstance(control, DnsReply) else ""
        self.works = bool(samples) and all(s.outcome is Outcome.OK and s.rcode == "NOERROR" for s in samples)

    def answered(self) -> dict[str, list[str]]:
        """The search domains in which a name that can't exist has an address, and which."""
        addresses = {
            suffix: [r for r in reply.records if r.startswith(("A ", "AAAA "))] for suffix, reply in self.replies.items()
        }
        return {suffix: found for suffix, found in addresses.items() if found}

    def failed(self) -> dict[str, str]:
        """The search domains in which no query has an answer, or an error for one, and what came."""
        words = {suffix: {_word(sample) for sample in reply.samples} for suffix, reply in self.replies.items()}
        return {suffix: ", ".join(sorted(found)) for suffix, found in words.items() if found.isdisjoint(("NXDOMAIN", "NOERROR"))}

    def useless(self, silent: bool) -> str:
        """Why nothing follows from this: a part was not measured, or names that exist fare no better."""
        if self.lost:
            return self.lost
        return "names that exist are not all answered either: see dns_latency" if silent and not self.works else ""

    @property
    def ms(self) -> float:
        """Milliseconds that a resolver waits for all of them, one after the other."""
        ok = [[s.ms for s in reply.samples if s.outcome is Outcome.OK] for reply in self.replies.values()]
        return round(sum(percentile(times, 50) for times in ok), 1)


def _word(sample: object) -> str:
    rcode = getattr(sample, "rcode", "")
    return str(rcode or getattr(sample, "outcome", ""))


def _negative(facts: Facts, nodes: list[str]) -> Iterator[Finding | Unseen]:
    """The same seen from every node is one finding without a node."""
    seen: defaultdict[Code, list[tuple[str, dict[str, object]]]] = defaultdict(list)
    for node in nodes:
        walk = _Walk(facts, node)
        answered, failed = walk.answered(), walk.failed()
        if answered and (why := _autopath(facts.cluster)):
            yield Unseen("wildcards in the search domains", why)
        elif answered:
            suffix, records = next(iter(answered.items()))
            numbers: dict[str, object] = {"answer": records[0], "query": f"{NOBODY}.{suffix}.", "domains": list(answered)}
            seen[WILDCARD].append((node, numbers | {"server": walk.server} | cluster_dns.names(facts.cluster)))
        elif why := walk.useless(len(failed) == len(walk.replies)):
            yield Unseen(f"negative answers from node {node}", why, asked=True)
        elif len(failed) == len(walk.replies):
            suffix, outcome = next(iter(failed.items()))
            numbers = {"outcomes": outcome, "query": f"{NOBODY}.{suffix}.", "domains": list(failed)}
            seen[NO_NEGATIVE].append((node, numbers | {"server": walk.server} | cluster_dns.names(facts.cluster)))
    for code, places in seen.items():
        if len(places) == len(nodes) > 1:
            yield code.on(Subject("Cluster", "search list"), places[0][1], nodes=[node for node, _ in places])
            continue
        for node, evidence in places:
            yield code.on(Subject("Cluster", "search list", node=node), evidence, nodes=[node])


def _autopath(cluster: Cluster) -> str:
    """Why an answer may be CoreDNS's own for another domain of the list; nothing where it is not."""
    if not cluster.readable(COREFILE):
        return "the Corefile can't be read: the plugin autopath may answer for others"
    told = any(item.corefile.plugins("autopath") for item in cluster.all(COREFILE))
    return "CoreDNS runs the plugin autopath, which answers for others" if told else ""


def _cost(facts: Facts, files: dict[str, ResolvConfReply]) -> Iterator[Finding]:
    """One finding for all nodes whose list is as long; the milliseconds are the worst node's."""
    steady = {vantage.node for vantage in facts.vantages if vantage.throttled <= THROTTLED}
    seen: defaultdict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    for node, file in files.items():
        walk = _Walk(facts, node)
        if file.search and file.ndots > 1 and node in steady and walk.works and not walk.failed() and not walk.answered():
            seen[file.ndots, len(file.search)][node] = walk.ms
    for (ndots, searched), times in seen.items():
        numbers = {"ndots": ndots, "searched": searched, "queries": 2 * (searched + 1), "saved": 2 * searched}
        external = "; ".join(_told(facts, name, list(times)) for name in _names(facts.cluster))
        worst = max(times.values())
        yield COST.on(Subject("Cluster", "search list"), numbers, nodes=list(times), ms=worst, external=external)


def _told(facts: Facts, name: str, nodes: list[str]) -> str:
    replies = [reply for node in nodes if isinstance(reply := facts.reply(dns_lookups.outside(node, name)), DnsReply)]
    samples = [sample for reply in replies for sample in reply.samples]
    times = [sample.ms for sample in samples if sample.outcome is Outcome.OK]
    if not times:
        return f"{name} itself is not answered"
    words = Counter(map(_word, samples)).most_common(1)[0][0]
    return f"{name} itself takes {percentile(times, 50):.1f} ms ({words})"


check = Check(
    id="dns_search",
    title="The search list of pods leads where it should",
    prefix="DSE",
    needs=Needs(optional=(COREFILE,), hints=(SERVICE,), tier=Tier.PODS),
    codes=(WILDCARD, NO_NEGATIVE, NOT_OURS, COST, TOO_LONG, DIFFERENT, NDOTS),
    plan=plan,
    analyse=analyse,
)
