# SPDX-License-Identifier: Apache-2.0
"""The log of a network agent, read for the one line that says why it gave up; nothing else of it is kept."""

from __future__ import annotations

import re

LONGEST = 240
"""Characters of the line that are kept."""

FATAL = re.compile(r"^F\d{4} |\[FATAL\]|level=\"?(?:fatal|panic)|\"level\":\"(?:fatal|panic)\"|^panic: |\bFATA\[|\bfatal\b", re.I)
ERROR = re.compile(r"^E\d{4} |\[ERROR\]|level=\"?error|\"level\":\"error\"|\bERRO?\[|\berror\b|\bfailed\b|^exec ", re.I)
"""Ways to write that something is wrong: klog (flannel, kindnet, kube-router), logrus (Calico, Cilium, Multus), zap (AWS)."""

_WHEN = re.compile(r"^(?:[FE]\d{4} [\d:.]+ +\d+ |\d{4}-\d\d-\d\d[T ][\d:.]+\S* )|\btime=\S+ ")
_SECRET = re.compile(r"(?i)(bearer |token[\"'=: ]+|password[\"'=: ]+|secret[\"'=: ]+)\S+|eyJ[\w.-]{20,}|://[^/@\s]+@")


def last_words(text: str) -> str:
    """Return the last line that says fatal, else the last that says error, without its time; "" if no line does."""
    lines = [line.strip() for line in text.splitlines()]
    for pattern in (FATAL, ERROR):
        if found := [line for line in lines if pattern.search(line)]:
            return _shortened(_SECRET.sub(lambda match: (match[1] or "") + "***", _WHEN.sub("", found[-1])))
    return ""


def _shortened(line: str) -> str:
    """Leave out the middle of a long line: programs in Go put the reason last, after all the steps that failed with it."""
    head = LONGEST // 3
    return line if len(line) <= LONGEST else f"{line[:head]} ... {line[head + 5 - LONGEST :]}"
