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


class Risk(StrEnum):
    """What a fix may disturb when it is applied, each worse than the one before.

    ``safe``: nothing that works, at most it changes an object that is wrong. ``restarts pods``: what they carry is cut off
    for a moment. ``changes a policy``: traffic is let through, or held back. ``changes a node``: routes, rules, files, kernel
    settings, its place in the cluster.
    """

    SAFE = "safe"
    RESTARTS = "restarts pods"
    POLICY = "changes a policy"
    NODE = "changes a node"


QUOTED_OR_OPERATOR = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.|(?P<operator>[|&;<>()\n]+)", re.DOTALL)
"""What of a line a shell reads as it is, and what parts commands (POSIX.1-2024, Shell Command Language, 2.2 and 2.3)."""

UNSAFE_BARE = re.compile(r"[*?\[\]$`\\~!]")
"""What bash or zsh would put something else in place of, where it stands outside quotes."""

LOOKS = frozenset(
    {"api-resources", "api-versions", "auth", "cluster-info", "config", "describe", "diff", "events", "explain", "get"}
    | {"logs", "netdoc", "top", "version", "wait"}
)
"""kubectl's verbs that leave the cluster as it is (``kubectl help``)."""

FILTERS = frozenset(["awk", "cat", "cut", "grep", "head", "jq", "ls", "sed", "sort", "tail", "tee", "tr", "true", "uniq", "wc"])
"""Programs that only read what they are given."""

SHOWS = frozenset(("show", "list", "status", "-S", "-L", "--list", "--list-rules", "--show"))
"""Words with which a network tool only tells: ``ip route show``, ``iptables -S``, ``birdcl show``, ``conntrack -L``."""

VALUED = frozenset(
    ("-n", "--namespace", "--context", "-l", "-c", "-o", "-f", "--image", "--profile", "--type", "-p", "--field-selector")
)
"""kubectl's flags that take the next word as their value."""

PODS = re.compile(r"(pods?|po|daemonsets?|ds|deployments?|deploy)(/|,|$)")


def on_node(node: str, line: str) -> str:
    """Return the command that runs a line of shell on a node, with the node's own programs (``kubectl debug``, profile sysadmin).

    A line of more than one command takes no names that come from a cluster: they would be quoted for one shell, and read by two.
    """
    program = f"sh -c {shlex.quote(line)}" if len(list(_parts(line))) > 1 else line
    return f"kubectl debug node/{node} -it --profile=sysadmin --image=busybox -- chroot /host {program}"


def word(name: str) -> str:
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


def changes(command: str) -> bool:
    """Tell whether the command changes anything, in the cluster or on a node."""
    return risk(command) is not None


def risk(command: str) -> Risk | None:
    """Return what the command may disturb, the worst of its parts; None where it only looks."""
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
    if not words or words[0] in FILTERS:
        return None
    if words[0] == "ss" and not {"-K", "--kill"} & set(words):
        return None
    if words[0] != "kubectl":
        return None if SHOWS & set(words) else Risk.NODE
    own, inside = (words[1 : words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words[1:], [])
    verb, *rest = _plain(own) or [""]
    if verb in ("debug", "exec"):
        return _inside(inside)
    if verb in LOOKS or (verb == "rollout" and rest[:1] != ["restart"] and rest[:1] != ["undo"]):
        return None
    kinds = (rest or [""])[0].lower()
    if verb in ("cordon", "uncordon", "drain", "taint") or re.match(r"(nodes?|no)(/|,|$)", kinds):
        return Risk.RESTARTS if verb == "drain" else Risk.NODE
    if "networkpolic" in kinds or kinds.startswith("netpol"):
        return Risk.POLICY
    restarts = verb == "rollout" or (
        verb == "delete" and re.match(r"(pods?|po|daemonsets?|ds|deployments?|deploy)(/|,|$)", kinds)
    )
    return Risk.RESTARTS if restarts else Risk.SAFE


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
