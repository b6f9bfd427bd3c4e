# SPDX-License-Identifier: Apache-2.0
"""Pods whose resolv.conf the kubelet shortened, as its Events say."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import EVENT, POD, Cluster, Code, Finding, Risk, Severity, Subject, lasting, some
from kubectl_netdoc.components.dns_pods import RECENT
from kubectl_netdoc.components.resolv_conf import DOMAIN_LENGTH, MOST_CHARACTERS, MOST_DOMAINS, MOST_NAMESERVERS

SHOWN = 3
"""Pods of one owner that are named."""

DNS_CONFIG = "kubectl -n {namespace} get pod {first} -o jsonpath='{{.spec.dnsConfig}}'"

SEARCH_CUT = Code(
    id="DNC014",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="The kubelet leaves out search domains of pods",
    message="{kind} {namespace}/{name}: the kubelet left out search domains of {pods}, as they exceed its limits. Short names "
    "in those domains do not resolve. The search line in use is: {applied}",
    fix=f"Reduce the search domains in the pods' dnsConfig and in their nodes' resolv.conf: together at most {MOST_DOMAINS} "
    f"domains and {MOST_CHARACTERS} characters, and {DOMAIN_LENGTH} characters for each domain.",
    commands=(DNS_CONFIG,),
    rows=("D2",),
)
SERVERS_CUT = Code(
    id="DNC015",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="The kubelet leaves out nameservers of pods",
    message=f"{{kind}} {{namespace}}/{{name}}: the kubelet left out nameservers of {{pods}}, as it writes {MOST_NAMESERVERS} at "
    "most. The nameservers in use are: {applied}",
    fix=f"Name at most {MOST_NAMESERVERS} nameservers in the pods' dnsConfig and in their nodes' resolv.conf together: "
    "resolvers query no more.",
    commands=(DNS_CONFIG,),
)


def analyse(cluster: Cluster) -> Iterator[Finding]:
    """Report the pods whose resolv.conf the kubelet shortened within the hour, by their owner."""
    if not (cluster.readable(EVENT) and cluster.readable(POD)):
        return
    shortened: dict[tuple[Code, Subject], dict[str, str]] = {}
    told = ((pod, event) for pod in cluster.all(POD) for event in lasting(cluster, "Pod", pod, "DNSConfigForming", within=RECENT))
    for pod, event in told:
        code = SEARCH_CUT if event.message.startswith("Search Line limits") else SERVERS_CUT
        owner = next((owner for owner in pod.metadata.owner_references if owner.controller), None)
        subject = Subject(owner.kind if owner else "Pod", owner.name if owner else pod.name, pod.namespace)
        shortened.setdefault((code, subject), {})[pod.name] = event.message.rpartition(" line is: ")[2]
    for (code, subject), lines in sorted(shortened.items(), key=lambda item: (item[0][0].id, item[0][1])):
        names = sorted(lines)
        pods = [Subject("Pod", name, subject.namespace) for name in names[:SHOWN]]
        yield code.on(subject, objects=pods, pods=some(names, SHOWN), applied=lines[names[0]], first=names[0])


CODES = (SEARCH_CUT, SERVERS_CUT)
