# SPDX-License-Identifier: Apache-2.0
"""Parses CoreDNS's configuration as CoreDNS does.

Grammar: the Caddyfile of coredns/caddy 1.1.4 (caddyfile/lexer.go, parse.go): a stream of tokens, in which a line's end matters
only where a list of zones or a plugin's arguments may end. What CoreDNS makes of the zones: its core/dnsserver/register.go.
Which plugins a server has been built with is not known here, nor what it imports from files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from kubectl_netdoc.formats.addresses import is_plain
from kubectl_netdoc.formats.corefile import Corefile, Plugin, ServerBlock, left_open
from kubectl_netdoc.formats.corefile_zones import Zone, expanded, is_domain

MOST = 10_000
"""Imports of snippets, as in caddy, and plugins of a block: snippets that import snippets can multiply without bound."""


class _Refused(Exception):
    """CoreDNS does not take the text; why."""


class _Token(NamedTuple):
    text: str
    line: int

    @property
    def last(self) -> int:
        """The line where it ends: quoted ones may be of several."""
        return self.line + self.text.count("\n")


_LEXEME = re.compile(r'(?P<end>\n)|#[^\n]*|"(?P<quoted>(?:\\.|[^"\\])*)(?P<close>"|\\?\Z)|(?P<word>[^\s#]+)(?:#\S*)?', re.S)


def _tokens(text: str) -> list[_Token]:
    """Return the tokens: ``"`` quotes at the beginning of one; ``#`` begins a comment, within a word one to the word's end."""
    found, line = [], 1
    for lexeme in _LEXEME.finditer(text.removeprefix("\ufeff").replace("\r", "")):
        quoted = lexeme["quoted"]
        if quoted is not None and (quoted or lexeme["close"] == '"'):
            found.append(_Token(quoted.replace('\\"', '"'), line))
        elif lexeme["word"] is not None:
            found.append(_Token(lexeme["word"], line))
        line += lexeme[0].count("\n")
    return found


class _Use(NamedTuple):
    """A plugin in a block. ``nested``: whether it opens a block of its own; ``inside``: the lines of that."""

    name: str
    arguments: tuple[str, ...]
    nested: bool = False
    inside: tuple[tuple[str, ...], ...] = ()


class _Block(NamedTuple):
    zones: tuple[str, ...]
    uses: tuple[_Use, ...] = ()

    def kept(self) -> ServerBlock:
        return ServerBlock(self.zones, tuple(Plugin.kept(use.name, use.arguments, use.inside) for use in self.uses))


class _Parser:
    """The text as a stream of tokens, with the cursor on the one that is looked at."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.cursor = -1
        self.snippets: dict[str, list[_Token]] = {}
        self.expansions = 0
        self.blocks: list[_Block] = []
        self.imports: list[str] = []

    @property
    def value(self) -> str:
        """The token under the cursor; nothing behind the last."""
        return self.tokens[self.cursor].text if 0 <= self.cursor < len(self.tokens) else ""

    @property
    def new_line(self) -> bool:
        """Tell whether the token under the cursor is the first of its line."""
        if self.cursor < 1:
            return True
        return self.cursor < len(self.tokens) and self.tokens[self.cursor - 1].last < self.tokens[self.cursor].line

    def step(self) -> bool:
        """Go on to the next token, where there is one."""
        more = self.cursor < len(self.tokens) - 1
        self.cursor += more
        return more

    def argument(self) -> bool:
        """Go on to the next token, where it is of the same line."""
        if not self.step():
            return False
        self.cursor -= (wrong := self.tokens[self.cursor - 1].last != self.tokens[self.cursor].line)
        return not wrong

    def parse(self) -> None:
        """Read all blocks."""
        while self.step():
            zones, ended = self.addresses()
            if ended:
                self.keep(_Block(zones))
            elif len(zones) == 1 and zones[0].startswith("(") and zones[0].endswith(")"):
                self.snippet(zones[0][1:-1])
            else:
                self.keep(_Block(zones, tuple(self.body())))

    def keep(self, block: _Block) -> None:
        """Add a server block; one without zones is none."""
        if block.zones:
            self.blocks.append(block)

    def addresses(self) -> tuple[tuple[str, ...], bool]:
        """Return the zones before a block, and whether the text ends with them."""
        zones: list[str] = []
        another = False
        while True:
            token = self.value
            if token == "import" and self.new_line:
                if file := self.imported():
                    self.imports.append(file)
                continue
            if token == "{":
                if another:
                    raise _Refused("an address is missing behind a comma")
                return tuple(zones), False
            if token:
                another = token.endswith(",")
                zones.append(token.removesuffix(","))
            if not self.step():
                if another:
                    raise _Refused("an address is missing behind a comma")
                return tuple(zones), True
            if not another and self.new_line:
                return tuple(zones), False

    def imported(self) -> str:
        """Put a snippet in the place of its ``import``, the cursor on its first token; return the file where it is none."""
        if not self.argument():
            raise _Refused("import without what to import")
        what = self.value
        if self.argument():
            raise _Refused("import of more than one thing")
        if not what:
            raise _Refused("import without what to import")
        snippet = self.snippets.get(what)
        self.expansions += 1
        if self.expansions > MOST:
            raise _Refused(f"more than {MOST} imports")
        self.tokens[self.cursor - 1 : self.cursor + 1] = snippet or []
        self.cursor -= 1
        return what if snippet is None else ""

    def snippet(self, name: str) -> None:
        """Keep a snippet's tokens, to its closing brace."""
        if name in self.snippets:
            raise _Refused(f"snippet ({name}) is there twice")
        if self.value != "{":
            raise _Refused(f"snippet ({name}) has no opening brace")
        depth, body = 1, []
        while self.step():
            depth += (self.value == "{") - (self.value == "}")
            if not depth:
                break
            body.append(self.tokens[self.cursor])
        if depth:
            raise _Refused(unclosed(depth))
        first = (number == 0 or body[number - 1].line != token.line for number, token in enumerate(body))
        if any(at and a.text == "import" and b.text == name for at, a, b in zip(first, body, body[1:], strict=False)):
            raise _Refused(f"snippet ({name}) imports itself")
        self.snippets[name] = body

    def body(self) -> Iterator[_Use]:
        """Yield the plugins of a block; a block that nothing opened has no closing brace and goes on to the text's end."""
        opened = self.value == "{"
        self.cursor -= not opened
        count = 0
        while self.step() and self.value != "}":
            if self.value == "import":
                file = self.imported()
                self.cursor -= 1
                if file:
                    yield _Use("import", (file,))
            else:
                yield self.plugin()
            count += 1
            if count > MOST:
                raise _Refused(f"more than {MOST} plugins in one block")
        if opened and self.value != "}":
            raise _Refused(unclosed(1))

    def plugin(self) -> _Use:
        """Return the plugin under the cursor, which is left on its last token."""
        name = self.value
        if not left_open(name) and not re.fullmatch(r"[\w-]+", name):
            shown = f"{name!r}" if re.fullmatch(r"[\w.:/(){}-]{,60}", name) else "something"
            raise _Refused(f"{shown} stands where a plugin's name should")
        depth, nested, arguments = 0, False, []
        inside: list[list[str]] = []
        on_line = True
        while self.step():
            token = self.value
            on_line = on_line and not self.new_line
            if token == "{":
                depth, nested = depth + 1, True
            elif self.new_line and not depth:
                self.cursor -= 1
                break
            elif token == "}":
                if not depth:
                    raise _Refused("a closing brace that no brace opens, on a plugin's own line")
                depth -= 1
            elif token == "import" and self.new_line:
                self.imported()
                self.cursor -= 1
            elif on_line and not nested:
                arguments.append(token)
            elif nested and self.new_line:
                inside.append([token])
            elif inside:
                inside[-1].append(token)
        if depth:
            raise _Refused(unclosed(depth + 1))
        return _Use(name, tuple(arguments), nested, tuple(map(tuple, inside)))


def unclosed(count: int) -> str:
    """Say how many braces are left open."""
    return f"{count} brace{'s' if count > 1 else ''} not closed"


TEMPLATE = re.compile(r"^\s*\{[{%][^$]", re.M)
"""Lines of a template (Helm, Jinja) that nobody has rendered yet, as folders of manifests have them."""


def parse(text: str) -> Corefile:
    """Return the parsed Corefile; one that CoreDNS refuses has a ``problem`` and no servers, but for a template."""
    parser = _Parser(text)
    try:
        parser.parse()
        _check_zones(parser.blocks)
    except _Refused as why:
        return Corefile(imports=("what a template is rendered to",)) if TEMPLATE.search(text) else Corefile(problem=str(why))
    return Corefile(tuple(block.kept() for block in parser.blocks), imports=tuple(parser.imports))


def _check_zones(blocks: list[_Block]) -> None:
    """Refuse a zone that two blocks have on one port and one address: of all addresses and a single one too.

    A block with ``view`` is for some queries alone, and may stand before another; later it would never be asked.
    """
    taken: dict[Zone, set[str]] = {}
    for block in blocks:
        if wrong := next((zone for zone in block.zones if not left_open(zone) and not is_domain(zone)), ""):
            raise _Refused(f"{wrong[:60]!r} is no zone")
        viewed = any(use.name == "view" for use in block.uses)
        for zone in (each for written in block.zones if not left_open(written) for each in expanded(written)):
            for host in _hosts(block):
                if _clash(host, taken.get(zone, set())):
                    raise _Refused(f"zone {zone} is there twice")
                if not viewed:
                    taken.setdefault(zone, set()).add(host)


UNKNOWN = "?"
"""Stands for addresses that a block listens on, and that can't be told."""


def _clash(host: str, known: set[str]) -> bool:
    """Tell whether blocks of a zone on other addresses leave no room for one on this: "" is all addresses."""
    return bool(known) if not host else "" in known or (host != UNKNOWN and host in known)


def _hosts(block: _Block) -> list[str]:
    """Return the addresses that a block listens on: "" where that is all, ``UNKNOWN`` where interfaces or files tell."""
    binds = [use for use in block.uses if use.name == "bind"]
    addresses = [address for use in binds for address in use.arguments]
    if any(use.nested for use in binds) or any(use.name == "import" for use in block.uses):
        return [UNKNOWN]
    return [address if is_plain(address) else UNKNOWN for address in addresses] if binds else [""]
