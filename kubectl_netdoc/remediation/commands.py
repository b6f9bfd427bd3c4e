# SPDX-License-Identifier: Apache-2.0
"""What a printed command does when it is pasted: as an argument list, and whether it changes anything.

netdoc runs none of them. The report prints the commands, the contract test holds each code's ``risk`` against its own, and
the fault matrix applies those that change something.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise


class Risk(StrEnum):
    """What a fix may disturb when it is applied, each worse than the one before.

    ``safe``: nothing that works, at most it changes an object that is wrong. ``restarts pods``: what they carry is cut off
    for a moment. ``changes a policy``: traffic is let through, or held back. ``changes a node``: routes, rules, files, kernel
    settings, its place in the cluster. ``destroys``: takes away what nothing brings back, or nobody can tell; netdoc prints none.
    """

    SAFE = "safe"
    RESTARTS = "restarts pods"
    POLICY = "changes a policy"
    NODE = "changes a node"
    DESTROYS = "destroys"


QUOTED_OR_OPERATOR = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.|(?P<operator>[|&;<>()\n]+)", re.DOTALL)
"""What of a line a shell reads as it is, and what parts commands (POSIX.1-2024, Shell Command Language, 2.2 and 2.3)."""

UNSAFE_BARE = re.compile(r"[*?\[\]$`\\~!]")
"""What bash or zsh would put something else in place of, where it stands outside quotes."""

LOOKS = frozenset(
    {"api-resources", "api-versions", "auth", "cluster-info", "config", "describe", "diff", "events", "explain", "get"}
    | {"logs", "netdoc", "top", "version", "wait"}
)
"""kubectl's verbs that leave the cluster as it is (``kubectl help``)."""

FILTERS = frozenset(["awk", "cat", "cut", "grep", "head", "jq", "ls", "sed", "sort", "tail", "tr", "true", "uniq", "wc"])
"""Programs that only read what they are given, ``sed -i`` apart."""

TOOLS = re.compile(
    r"(ip6?tables(-legacy|-nft)?|ip|bridge|tc|nft|ipset|ipvsadm|conntrack|birdcl6?|systemctl|journalctl|crictl|cilium(-dbg)?)$"
)
"""Programs that tell or change, by the words that follow."""

SHOWS = frozenset(("show", "list", "ls", "status", "get", "ps", "-S", "-L", "--list", "--list-rules", "--show"))
"""Words with which a network tool only tells: ``ip route show``, ``iptables -S``, ``birdcl show``, ``conntrack -L``."""

ALTERS = frozenset(
    {"add", "append", "change", "del", "delete", "flush", "replace", "set", "restart", "start", "stop"}
    | {"-A", "-D", "-F", "-I", "-N", "-P", "-R", "-U", "-X", "-Z"}
)
"""Words with which it changes something, whatever else is said."""

SERVING = frozenset(
    {"service", "svc", "endpoints", "ep", "endpointslice", "ingress", "ing", "ingressclass", "configmap", "cm"}
    | {"gateway", "gatewayclass", "httproute", "grpcroute", "tlsroute", "tcproute", "udproute", "referencegrant"}
)
"""Kinds of which an edit restarts nothing: a fix corrects an object that is wrong."""

NAMING = frozenset(("annotate", "debug", "delete", "describe", "edit", "exec", "get", "label", "logs", "patch", "scale"))
"""kubectl's verbs that name an object that is there."""

MADE_AGAIN = frozenset(("endpoints", "ep", "endpointslice", "event", "ev", "lease"))
"""Kinds whose objects a controller makes again where they are needed."""

WRITES = frozenset(("annotate", "edit", "label", "patch", "set"))
"""kubectl's verbs that change a part of an object that is there."""

VALUED = frozenset(
    ("-n", "--namespace", "--context", "-l", "-c", "-o", "-f", "--image", "--profile", "--type", "-p", "--field-selector")
)
"""kubectl's flags that take the next word as their value."""


DEBUG_IMAGE = "--image=busybox"
"""What runs on a node, where no run has an image of its own that the nodes have pulled."""


BRIDGE_TO_IPTABLES = "modprobe br_netfilter; sysctl -w net.bridge.bridge-nf-call-iptables=1"
"""The line of shell that makes a node's bridges show their packets to iptables."""


def on_node(node: str, line: str) -> str:
    """Return the command that runs a line of shell on a node, with the node's own programs (``kubectl debug``, profile sysadmin).

    A line of more than one command takes no names that come from a cluster: they would be quoted for one shell, and read by two.
    """
    program = f"sh -c {shlex.quote(line)}" if len(list(_parts(line))) > 1 else line
    return f"kubectl debug node/{node} -it --profile=sysadmin {DEBUG_IMAGE} -- chroot /host {program}"


def shell_word(name: str) -> str:
    """Return a name from a cluster as one word of a command template: quoted for the shell, its braces no placeholders."""
    return shlex.quote(name).replace("{", "{{").replace("}", "}}")


def argv(command: str) -> tuple[str, ...]:
    """Return the command as an argument list: its words, or a shell that runs it where it is more than one command."""
    words, *more = _parts(command)
    return ("sh", "-c", command) if more else tuple(words)


def bare(command: str) -> str:
    """Return what of the command no quotes protect and a shell would not leave as it is; empty is as it should be."""
    outside = re.sub(r"'[^']*'|\"[^\"$`\\]*\"", "", command)
    return "".join(UNSAFE_BARE.findall(outside))


def named(command: str) -> tuple[str, str, str] | None:
    """Return kind (as written), namespace and name of the one object that a kubectl command names; None if it names none.

    ``logs`` and ``exec`` name a pod. The namespace is "" where none is written.
    """
    try:
        words, *_ = _parts(command)
    except ValueError:  # its quotes are not closed
        return None
    own = words[1 : words.index("--")] if "--" in words else words[1:]
    verb, *rest = _plain(own) or [""]
    if words[:1] != ["kubectl"] or verb not in NAMING:
        return None
    namespace = next((value for flag, value in pairwise(own) if flag in ("-n", "--namespace")), "")
    if verb in ("logs", "exec"):
        rest = ["pod", *rest] if rest and "/" not in rest[0] else rest
    kind, slash, name = (rest or [""])[0].partition("/")
    name = name if slash else (rest[1:] or [""])[0]
    return (kind.lower(), namespace, name) if kind and name and "," not in kind else None


def changes(command: str) -> bool:
    """Tell whether the command changes anything, in the cluster or on a node."""
    return risk(command) is not None


def risk(command: str) -> Risk | None:
    """Return what the command may disturb, the worst of its parts; None if it only looks."""
    risks = [found for part in _parts(command) if (found := _risk(part)) is not None]
    return max(risks, key=list(Risk).index, default=None)


def _parts(command: str) -> Iterator[list[str]]:
    """The words of each simple command, as a shell would part them."""
    start = 0
    for piece in QUOTED_OR_OPERATOR.finditer(command):
        if piece["operator"]:
            yield shlex.split(command[start : piece.start()])
            start = piece.end()
    yield shlex.split(command[start:])


def _risk(words: list[str]) -> Risk | None:
    """Only what is listed is safe or looks: whatever is not known is taken for the worst that it may be."""
    if not words or (words[0] in FILTERS and not (words[0] == "sed" and {"-i", "--in-place"} & set(words))):
        return None
    if words[0] == "ss":
        return Risk.NODE if {"-K", "--kill"} & set(words) else None
    if words[0] != "kubectl":
        tells = TOOLS.match(words[0]) and SHOWS & set(words) and not ALTERS & set(words)
        return None if tells else Risk.NODE
    own, inside = (words[1 : words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words[1:], [])
    verb, *rest = _plain(own) or [""]
    if verb in ("debug", "exec"):
        return _inside(inside)
    if verb in LOOKS:
        return None
    if verb == "rollout":
        return {"restart": Risk.RESTARTS, "undo": Risk.RESTARTS, "status": None, "history": None}.get(
            (rest or [""])[0], Risk.DESTROYS
        )
    return _change(verb, _kind(rest[1:] if verb == "set" else rest), own)


def _kind(rest: list[str]) -> str:
    """The kind that a command names first, in the singular and without its group: ``deploy/web`` is ``deploy``."""
    kind = re.split(r"[/,.]", (rest or [""])[0].lower())[0]
    if kind.endswith(("sses", "ies")):
        return re.sub("ies$", "y", re.sub("sses$", "ss", kind))
    return kind if kind in SERVING | MADE_AGAIN or kind.endswith("ss") else kind.removesuffix("s")


def _change(verb: str, kind: str, own: list[str]) -> Risk:
    """What a change to objects of a kind may disturb."""
    if verb == "drain":
        return Risk.RESTARTS
    if verb in ("cordon", "uncordon", "taint") or kind in ("node", "no"):
        return Risk.DESTROYS if verb == "delete" else Risk.NODE
    if kind.endswith("policy") or kind == "netpol" or (kind in ("namespace", "ns", "peerauthentication") and verb in WRITES):
        return Risk.POLICY  # policies select by the labels of namespaces too
    if verb == "delete":
        return Risk.SAFE if kind in MADE_AGAIN else Risk.RESTARTS if kind in ("pod", "po") else Risk.DESTROYS
    if verb in WRITES or verb == "create":
        return Risk.SAFE if kind in SERVING or (verb == "create" and kind in ("namespace", "ns")) else Risk.RESTARTS
    if verb == "scale":
        return Risk.SAFE if _grows(own) else Risk.RESTARTS
    return {"apply": Risk.POLICY, "replace": Risk.RESTARTS}.get(verb, Risk.DESTROYS)


def _grows(own: list[str]) -> bool:
    """Tell whether ``scale`` takes no pod away: it says from how many on, and the server holds it to that."""
    flags = dict(flag.split("=", 1) for flag in own if flag.startswith("--") and "=" in flag)
    current, wanted = flags.get("--current-replicas", ""), flags.get("--replicas", "")
    return current.isdigit() and wanted.isdigit() and int(current) <= int(wanted)


def _inside(words: list[str]) -> Risk | None:
    """What runs in a pod or on a node."""
    words = words[2:] if words[:1] == ["chroot"] else words
    if words[:2] in (["sh", "-c"], ["bash", "-c"]) and len(words) > 2:
        return risk(words[2])
    return _risk(words)


def _plain(words: list[str]) -> list[str]:
    """The words that are neither flags nor their values."""
    plain: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in VALUED
        else:
            plain.append(word)
    return plain
