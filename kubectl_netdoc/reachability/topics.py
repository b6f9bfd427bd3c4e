# SPDX-License-Identifier: Apache-2.0
"""Where each kind of finding acts on a connection: the table by which ``why`` reads the findings of ``check``.

A finding concerns a connection by its subject, and by the nodes, node paths and Services that its evidence names. Only what
those can't show is declared here: the hop at which it acts, the feature that the connection must use, and the nodes that its
nodes are compared with. Codes that are not here (a plugin's) act where their subject is.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Feature(StrEnum):
    """What a connection uses; a finding may affect only connections that use a certain feature."""

    ANY = "any"
    NAME = "a name that cluster DNS resolves"
    OUTSIDE = "a name that cluster DNS forwards to an upstream resolver"
    LARGE_ANSWER = "an answer of cluster DNS that may be large"
    SERVICE = "a Service address, translated on the source's node"
    AFFINITY = "a Service with session affinity"
    UDP = "a Service over UDP"
    ENTRY = "an entry to the cluster: a node port or a load balancer"
    ITSELF = "a pod that connects to itself through its Service"
    API = "the API server's Service"
    POLICY = "a policy that denies it"
    NEVER = "no connection from A to B"


class NodeMatch(StrEnum):
    """Which nodes of a connection a finding's nodes are compared with."""

    ANY = "any"
    FROM = "the source's"
    TO = "the destination's"
    ENDS = "either"
    SAME = "one node that runs both ends"
    PATH = "the path between two nodes"


class Impact(StrEnum):
    """What a finding does to the connections that it concerns."""

    AFFECTS = "stops or weakens them, depending on its severity and on what was measured"
    NEW_PODS = "affects only pods that are being created; pods that have their network keep it"
    NOT_TODAY = "does not affect them today"
    OPENS = "lets through what a policy denies"


class Topic(Struct, frozen=True):
    """The hop at which a code acts ("": where its subject is), for which feature, at which nodes, and with which impact."""

    hop: str = ""
    feature: Feature = Feature.ANY
    nodes: NodeMatch = NodeMatch.ANY
    impact: Impact = Impact.AFFECTS


_DNS = Topic("name", Feature.NAME, NodeMatch.FROM)
_UPSTREAM = Topic("name", Feature.OUTSIDE, NodeMatch.FROM)
_LARGE = Topic("name", Feature.LARGE_ANSWER, NodeMatch.FROM)
_ENDS = Topic("path", nodes=NodeMatch.ENDS)
_PATH = Topic("path", nodes=NodeMatch.PATH)
_SAME = Topic("path", nodes=NodeMatch.SAME)
_PROXY = Topic("proxy", Feature.SERVICE, NodeMatch.FROM)
_ENDPOINTS = Topic("endpoints", nodes=NodeMatch.FROM)
_ENTRY = Topic("entry", Feature.ENTRY, NodeMatch.TO)
_NEW = Topic("source", nodes=NodeMatch.ENDS, impact=Impact.NEW_PODS)
_NEVER = Topic(feature=Feature.NEVER)


def _later(topic: Topic) -> Topic:
    return Topic(topic.hop, topic.feature, topic.nodes, Impact.NOT_TODAY)


TOPICS = {
    # nodes and the pod network
    **dict.fromkeys(("ADR", "CNI", "CNF", "NDL", "NDN", "NDT", "NLK"), _ENDS),
    "BGP": _ENDS,
    "BGP002": _later(_ENDS),
    **dict.fromkeys(("NRT", "PNW", "MTU", "PTQ", "SYN", "TRC"), _PATH),
    **dict.fromkeys(("PNW005", "PNW008", "MTU002", "PTQ002"), _SAME),
    "ADR001": _PATH,
    "ADR003": Topic("service", nodes=NodeMatch.ANY),
    "CNF002": _NEW,
    "CNF003": _NEW,
    **dict.fromkeys(("CNI006", "CNI008", "CNI009", "NDN004", "NDT002", "NDT005", "NDT013", "FRL"), _later(_ENDS)),
    "CNI007": _NEW,
    "NOD": Topic("source", nodes=NodeMatch.ENDS),
    **dict.fromkeys(("NOD002", "NOD003", "NOD004", "NOD005", "PNW011", "PNW015"), _NEW),
    "PLK": Topic("endpoints", nodes=NodeMatch.ENDS),
    "PAD001": Topic("endpoints", nodes=NodeMatch.ENDS),
    "PAD002": _ENDS,
    "PAD003": _later(_ENDS),
    "PNW007": Topic("path", nodes=NodeMatch.FROM),
    "PNW013": Topic("path", nodes=NodeMatch.ENDS),
    "POD": _later(_ENDS),
    "POD003": _NEW,
    "SYN002": _ENDPOINTS,
    "MSH": Topic("source", nodes=NodeMatch.ENDS),
    # names
    **dict.fromkeys(("DNC", "DNM", "DNR", "POL"), Topic("name", Feature.NAME)),
    **dict.fromkeys(("DNL", "DSE", "DSV"), _DNS),
    **dict.fromkeys(("DNC003", "DNC005", "DNM001"), Topic("name", Feature.OUTSIDE)),
    **dict.fromkeys(("DNU", "EXN"), _UPSTREAM),
    **dict.fromkeys(("DTR", "DSV002", "DSV003"), _LARGE),
    **dict.fromkeys(("DNC013", "DNC014"), _later(_DNS)),
    # Services
    **dict.fromkeys(("KPP", "KPX", "SRL", "SVR001", "SVR002", "SVR006", "SVR009", "SYN003"), _PROXY),
    **dict.fromkeys(("KPP004", "KPP005", "KPX004", "KPX006", "KPX007", "SRL004", "SRL005"), _later(_PROXY)),
    **dict.fromkeys(("EPS", "OVT", "SVC", "SVR"), _ENDPOINTS),
    **dict.fromkeys(("SVC009", "SVC010", "SVC011"), Topic("name", nodes=NodeMatch.FROM)),
    **dict.fromkeys(("SVC003", "SVC012"), Topic("service", nodes=NodeMatch.FROM)),
    **dict.fromkeys(("SVR003", "SVR004", "SVR012"), Topic("port", nodes=NodeMatch.FROM)),
    "STF": Topic("proxy", Feature.UDP, NodeMatch.FROM),
    "SVA": Topic("proxy", Feature.AFFINITY, NodeMatch.FROM),
    "SVH001": Topic("proxy", Feature.ITSELF, NodeMatch.SAME),
    "SVH002": Topic("proxy", Feature.SERVICE, NodeMatch.SAME),
    "EPS004": _later(_ENDPOINTS),
    # entries to the cluster
    **dict.fromkeys(("LBA", "NPT", "SVC006", "SVC013"), _ENTRY),
    **dict.fromkeys(("APT", "CRS", "GWR", "INC", "ING", "TLS", "PLC", "PDN", "PEG", "PEN", "PRX", "PSY", "HPT", "SRG"), _NEVER),
    **dict.fromkeys(("VER", "POL007", "POL008", "POL027"), _NEVER),
    **dict.fromkeys(("SVR016", "SVR017"), _NEVER),  # from a node's own network, not from a pod's
    # rights of the network's own components
    "RGT001": Topic("name", Feature.NAME),
    "RGT002": Topic("proxy", Feature.SERVICE),
    "RGT003": Topic("endpoints"),
    **dict.fromkeys(("RMV001", "RMV002"), Topic("name", Feature.SERVICE)),
    "CTL001": _later(Topic("endpoints")),
    "CTL002": _NEW,
    "RGT004": _NEW,
    # the API server, and codes about Services that nothing serves
    "CPL": _NEVER,
    **dict.fromkeys(("CPL001", "CPL002", "CPL011", "GWR010", "INC001", "INC003", "ING003"), _ENDPOINTS),
    "CPL006": Topic("endpoints", Feature.API, NodeMatch.ANY),
    "CPL007": Topic("endpoints", Feature.API, NodeMatch.FROM),
    # policies
    "ENF": Topic("policies", Feature.POLICY, NodeMatch.ENDS, Impact.OPENS),
    "MAZ": Topic("mesh"),
    "ENF004": Topic("ingress", nodes=NodeMatch.ENDS),
}
"""Topics by prefixes of codes; the longest match counts."""

OWN_PREFIX = 3
"""Length of the prefix of a check's codes."""


def topic(code: str) -> Topic | None:
    """Return where a code acts, or None if nothing is declared for it."""
    return next((TOPICS[code[:length]] for length in range(len(code), OWN_PREFIX - 1, -1) if code[:length] in TOPICS), None)
