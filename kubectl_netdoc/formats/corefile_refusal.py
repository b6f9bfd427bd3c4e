# SPDX-License-Identifier: Apache-2.0
"""What CoreDNS prints where it does not start with a Corefile, or does not change to one: which plugin, where, and what is wrong.

Sources: caddy's parser and dispenser (``FILE:LINE - Error during parsing: …``), ``plugin.Error`` of CoreDNS (``plugin/NAME: …``),
core/dnsserver (zones, listeners), and what CoreDNS 1.11.3, 1.12.1, 1.13.1, 1.14.2 and 1.15.0 printed of the Corefiles in
tests/formats/refusals.
"""

from __future__ import annotations

import re
from enum import StrEnum

from msgspec import Struct

from kubectl_netdoc.formats.corefile import KEPT


class Wrong(StrEnum):
    """What has to be changed, as far as the advice depends on it."""

    PLUGIN = "unknown plugin"
    OPTION = "unknown option"
    ARGUMENTS = "wrong arguments"
    BRACES = "braces that don't match"
    SNIPPET = "wrong snippet"
    IMPORT = "wrong import"
    FILE = "file that it can't use"
    NAME = "upstream that is no address"
    TWICE = "used twice"
    ZONE = "wrong zone"
    LISTEN = "address that it can't listen on"
    TLS = "certificate that it can't load"
    UNIT = "duration without a unit"
    VALUE = "wrong value"


SIGNS: tuple[tuple[Wrong, str], ...] = (
    (Wrong.IMPORT, r"^Import |File to import not found|Could not import|import pattern|Glob pattern|ending after 'import'"),
    (Wrong.SNIPPET, r"redeclaration of previously declared snippet|(?:snippet|file) import depth"),
    (Wrong.PLUGIN, r"Unknown directive"),
    (Wrong.BRACES, r"Unexpected EOF|Unexpected '}'|Unexpected token .*, expecting '[{}]'|^Unexpected token '[^']*$|extra comma"),
    (Wrong.ARGUMENTS, r"Unexpected token '{', expecting argument|Wrong argument count or unexpected line ending"),
    (Wrong.OPTION, r"unknown (?:property|option)|Unknown field|invalid option"),
    (Wrong.TWICE, r"can only be used once per Server Block|multiple views defined|already specified"),
    (Wrong.NAME, r"not an IP address or file|failed to resolve|invalid address: \"\"|no such host"),
    (Wrong.TLS, r"could not load TLS|tls\.Config not set|no TLS config found|conflicting TLS configuration"),
    (Wrong.FILE, r"no such file or directory|permission denied|is a directory|no nameservers found|no valid upstream addresses"),
    (Wrong.UNIT, r"missing unit in duration"),
    (Wrong.LISTEN, r"\blisten (?:tcp|udp)|missing port in address|not a valid IP address or interface name|invalid port"),
    (Wrong.ZONE, r"cannot serve|valid domain name|after last colon|not in an address format|unable to normalize"),
)
"""What a refusal says of each kind; the first that fits counts. Of a plugin that may hold secrets no more than that is kept."""

_SIGNS = tuple((wrong, re.compile(pattern)) for wrong, pattern in SIGNS)
_RELOAD = re.compile(
    r"\[(?:ERROR|WARNING)\] (?:Restart failed: |plugin/reload: Corefile (?:parse failed|changed but reload failed): )"
    r"(?:starting with listener file descriptors: )?(?P<said>.+)"
)
_REFUSED = re.compile(
    r"(?:plugin/(?P<plugin>[\w-]+): )*"
    r"(?:\S*?(?P<file>[^\s/:]+):(?P<line>\d+) - (?:Error during parsing|Syntax error): )?(?P<words>.*)"
)
_OF_A_START = re.compile(
    r"plugin/[\w-]+: |\S+:\d+ - (?:Error during parsing|Syntax error): |cannot serve |error inspecting server blocks: "
    r"|Listen(?:Packet)?: (?!listen )|address \S+: |DoH3 requires TLS|conflicting (?:TLS|max_streams)|multiple views"
)
_TOKEN = re.compile(r"(?<!\w)'([^']*)'?|\"([^\"]*)\"?")
_SHOWN = re.compile(r"[\w.:/(){}*$%@,=-]{,60}")


class Refusal(Struct, frozen=True, omit_defaults=True):
    """Why CoreDNS does not take a Corefile: ``words`` of its own, in ``line`` of ``file`` ("" and 0: not told), by ``plugin``."""

    wrong: Wrong
    words: str = ""
    plugin: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        """One clause: where, by which plugin, and what."""
        place = f"{self.file} line {self.line}" if self.line else ""
        by = f"plugin {self.plugin}" if self.plugin else ""
        where = ", ".join(filter(None, (place, by)))
        return ": ".join(filter(None, (where, self.words or f"{self.wrong} (its words are not kept)")))

    @property
    def token(self) -> str:
        """What it quotes first: the plugin, option, name or value that is refused; "" where it quotes nothing."""
        found = _TOKEN.search(self.words)
        return (found[1] or found[2] or "") if found else ""


def of_reload(line: str) -> Refusal | None:
    """Return why a running server does not change to a new Corefile; None where a line of its log tells of no such thing."""
    found = _RELOAD.match(line)
    return _read(found["said"]) if found else None


def of_start(line: str) -> Refusal | None:
    """Return why a server does not start; None where a line tells of no such thing. Lines of its log begin with their level."""
    return _read(line) if _OF_A_START.match(line) else None


def _read(text: str) -> Refusal | None:
    found = _REFUSED.match(text)
    if found is None:
        return None
    plugin, words = found["plugin"] or "", found["words"].strip()
    wrong = next((wrong for wrong, sign in _SIGNS if sign.search(words)), Wrong.VALUE)
    if plugin and plugin not in KEPT:
        words = ""
    words = _TOKEN.sub(lambda token: token[0] if _SHOWN.fullmatch(token[1] or token[2] or "") else "…", words)
    return Refusal(wrong, words, plugin, found["file"] or "", int(found["line"] or 0))
