# SPDX-License-Identifier: Apache-2.0
"""Judges printed commands: splits them into arguments, and tells what they change.

netdoc runs none of them. The report prints them, the contract test compares them with each code's ``risk``, and the fault matrix
applies those that change something.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise


class Risk(StrEnum):
    """What a fix may disturb when it is applied, each worse than the one before.

    ``safe``: disturbs nothing that works; at most it changes an object that is wrong. ``restarts pods``: their connections are
    interrupted for a moment. ``changes a policy``: traffic is allowed or denied. ``changes a node``: its routes, rules, files,
    kernel settings or place in the cluster. ``destroys``: deletes what nothing brings back, or its effect is not known; netdoc
    prints no such command.
    """

    SAFE = "safe"
    RESTARTS = "restarts pods"
    POLICY = "changes a policy"
    NODE = "changes a node"
    DESTROYS = "destroys"


QUOTED_OR_OPERATOR = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.|(?P<operator>[|&;<>()\n]+)", re.DOTALL)
"""Characters that a shell reads literally, and those that separate commands (POSIX.1-2024, Shell Command Language, 2.2, 2.3)."""

UNSAFE_BARE = re.compile(r"[*?\[\]$`\\~!]")
"""What bash or zsh would expand outside quotes."""

LOOKS = frozenset(
    {"api-resources", "api-versions", "auth", "cluster-info", "config", "describe", "diff", "events", "explain", "get"}
    | {"logs", "netdoc", "top", "version", "wait"}
)
"""kubectl's verbs that change nothing in the cluster (``kubectl help``)."""

FILTERS = frozenset(["awk", "cat", "cut", "grep", "head", "jq", "ls", "sed", "sort", "tail", "tr", "true", "uniq", "wc"])
"""Programs that only read their input, except ``sed -i``."""

TOOLS = re.compile(
    r"(ip6?tables(-legacy|-nft)?|ip|bridge|tc|nft|ipset|ipvsadm|conntrack|birdcl6?|systemctl|journalctl|crictl|cilium(-dbg)?)$"
)
"""Programs that show or change something, depending on their arguments."""

SHOWS = frozenset(("show", "list", "ls", "status", "get", "ps", "-S", "-L", "--list", "--list-rules", "--show"))
"""Arguments with which a network tool only reads: ``ip route show``, ``iptables -S``, ``birdcl show``, ``conntrack -L``."""

ALTERS = frozenset(
    {"add", "append", "change", "del", "delete", "flush", "replace", "set", "restart", "start", "stop"}
    | {"-A", "-D", "-F", "-I", "-N", "-P", "-R", "-U", "-X", "-Z"}
)
"""Arguments with which it changes something, whatever the others are."""

SETS = re.compile(r"-(?!-?(n|e|N|a|b|values|ignore|names|all|binary)$)|[^-].*=")
"""Arguments with which ``sysctl`` may set something: a value, or flags other than those of its output."""

CLEARS = re.compile(r"--(vacuum-|rotate|flush|relinquish-var|smart-relinquish-var|sync|update-catalog|setup-keys)")
"""Arguments with which ``journalctl`` changes the journal."""

SERVING = frozenset(
    {"service", "svc", "endpoints", "ep", "endpointslice", "ingress", "ing", "ingressclass", "configmap", "cm", "clusterrole"}
    | {"gateway", "gatewayclass", "httproute", "grpcroute", "tlsroute", "tcproute", "udproute", "referencegrant"}
)
"""Kinds whose edit restarts nothing: a fix corrects an object that is wrong."""

NAMING = frozenset(("annotate", "debug", "delete", "describe", "edit", "exec", "get", "label", "logs", "patch", "scale"))
"""kubectl's verbs that name an existing object."""

MADE_AGAIN = frozenset(("endpoints", "ep", "endpointslice", "event", "ev", "lease"))
"""Kinds whose objects a controller creates again if they are needed."""

WRITES = frozenset(("annotate", "edit", "label", "patch", "set"))
"""kubectl's verbs that change a part of an existing object."""

VALUED = frozenset(
    ("-n", "--namespace", "--context", "-l", "-c", "-o", "-f", "--image", "--profile", "--type", "-p", "--field-selector")
)
"""kubectl's flags that take the next word as their value."""


DEBUG_IMAGE = "--image=busybox"
"""The image of debug commands on a node, if no run has an image that the nodes have pulled."""


BRIDGE_TO_IPTABLES = "modprobe br_netfilter; sysctl -w net.bridge.bridge-nf-call-iptables=1"
"""The line of shell that makes a node's bridges show their packets to iptables."""


def on_node(node: str, line: str) -> str:
    """Return the command that runs a shell line on a node, with the node's own programs (``kubectl debug``, profile sysadmin).

    A line of several commands must not contain names from a cluster: they would be quoted for one shell and read by two.
    """
    program = f"sh -c {shlex.quote(line)}" if len(list(_parts(line))) > 1 else line
    return f"kubectl debug node/{node} -it --profile=sysadmin {DEBUG_IMAGE} -- chroot /host {program}"


def shell_word(name: str) -> str:
    """Return a name from a cluster as one word of a command template: quoted for the shell, with escaped braces."""
    return shlex.quote(name).replace("{", "{{").replace("}", "}}")


def argv(command: str) -> tuple[str, ...]:
    """Return the command as an argument list: its words, or ``sh -c`` if it is more than one command."""
    words, *more = _parts(command)
    return ("sh", "-c", command) if more else tuple(words)


def bare(command: str) -> str:
    """Return the unquoted parts of a command that a shell would expand; it should be empty."""
    outside = re.sub(r"'[^']*'|\"[^\"$`\\]*\"", "", command)
    return "".join(UNSAFE_BARE.findall(outside))


def named(command: str) -> tuple[str, str, str] | None:
    """Return kind (as written), namespace and name of the object that a kubectl command names; None if it names none.

    ``logs`` and ``exec`` name a pod. The namespace is "" if none is given.
    """
    try:
        words, *_ = _parts(command)
    except ValueError:  # unclosed quotes
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
    """Return the risk of the command, the worst of its parts; None if it only reads."""
    risks = [found for part in _parts(command) if (found := _risk(part)) is not None]
    return max(risks, key=list(Risk).index, default=None)


def _parts(command: str) -> Iterator[list[str]]:
    """Yield the words of each simple command, split as by a shell."""
    start = 0
    for piece in QUOTED_OR_OPERATOR.finditer(command):
        if piece["operator"]:
            yield shlex.split(command[start : piece.start()])
            start = piece.end()
    yield shlex.split(command[start:])


def _risk(words: list[str]) -> Risk | None:
    """Return the risk of a simple command. Only listed commands are safe or read-only; unknown ones count as the worst."""
    if not words or (words[0] in FILTERS and not (words[0] == "sed" and {"-i", "--in-place"} & set(words))):
        return None
    if words[0] == "ss":
        return Risk.NODE if {"-K", "--kill"} & set(words) else None
    if words[0] == "sysctl":
        return Risk.NODE if not words[1:] or any(map(SETS.match, words[1:])) else None
    if words[0] == "journalctl":
        return Risk.NODE if any(map(CLEARS.match, words[1:])) else None
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
    """Return the kind that a command names first, in the singular and without its group: ``deploy/web`` is ``deploy``."""
    kind = re.split(r"[/,.]", (rest or [""])[0].lower())[0]
    if kind.endswith(("sses", "ies")):
        return re.sub("ies$", "y", re.sub("sses$", "ss", kind))
    return kind if kind in SERVING | MADE_AGAIN or kind.endswith("ss") else kind.removesuffix("s")


def _change(verb: str, kind: str, own: list[str]) -> Risk:
    """Return the risk of a change to objects of a kind."""
    if verb == "drain":
        return Risk.RESTARTS
    if verb in ("cordon", "uncordon", "taint") or kind in ("node", "no"):
        return Risk.DESTROYS if verb == "delete" else Risk.NODE
    if kind.endswith("policy") or kind == "netpol" or (kind in ("namespace", "ns", "peerauthentication") and verb in WRITES):
        return Risk.POLICY  # policies select by labels of namespaces too
    if verb == "delete":
        return Risk.SAFE if kind in MADE_AGAIN else Risk.RESTARTS if kind in ("pod", "po") else Risk.DESTROYS
    if verb in WRITES or verb == "create":
        return Risk.SAFE if kind in SERVING or (verb == "create" and kind in ("namespace", "ns")) else Risk.RESTARTS
    if verb == "expose":
        return Risk.SAFE  # it makes a Service, and nothing where there is one of that name
    if verb == "scale":
        return Risk.SAFE if _grows(own) else Risk.RESTARTS
    return {"apply": Risk.POLICY, "replace": Risk.RESTARTS}.get(verb, Risk.DESTROYS)


def _grows(own: list[str]) -> bool:
    """Tell whether ``scale`` removes no pod: it names the current number, which the server checks."""
    flags = dict(flag.split("=", 1) for flag in own if flag.startswith("--") and "=" in flag)
    current, wanted = flags.get("--current-replicas", ""), flags.get("--replicas", "")
    return current.isdigit() and wanted.isdigit() and int(current) <= int(wanted)


def _inside(words: list[str]) -> Risk | None:
    """Return the command that runs in a pod or on a node."""
    words = words[2:] if words[:1] == ["chroot"] else words
    if words[:2] in (["sh", "-c"], ["bash", "-c"]) and len(words) > 2:
        return risk(words[2])
    return _risk(words)


def _plain(words: list[str]) -> list[str]:
    """Return the words that are neither flags nor their values."""
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
