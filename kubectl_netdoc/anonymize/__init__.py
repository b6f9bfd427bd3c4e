# SPDX-License-Identifier: Apache-2.0
"""Anonymizes a bundle: other names and addresses, the same analysis.

Every text in a bundle counts as a name, except what is listed here or what netdoc knows by name.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from kubectl_netdoc.anonymize.addresses import PATTERN, Addresses
from kubectl_netdoc.anonymize.names import Words
from kubectl_netdoc.records.kinds import KINDS
from kubectl_netdoc.sources.bundle import Stored, load

FIXED = frozenset(
    {
        *("type", "kind", "protocol", "phase", "status", "operation", "subresource", "effect", "operator", "address_type"),
        *("policy_types", "ip_families", "ip_family_policy", "dns_policy", "session_affinity", "internal_traffic_policy"),
        *("external_traffic_policy", "failure_policy", "scope_", "api_version", "api_groups", "api_versions", "operations"),
        *("rcode", "rcodes", "rtype", "direction", "family", "path", "prefixes", "options", "ready", "size"),
        *("kernel_version", "container_runtime_version", "kubelet_version", "operating_system", "architecture", "os_image"),
        *("cpu", "memory", "pods", "tool", "netdoc_bundle", "release", "traffic_distribution", "update_strategy"),
        *("before", "after", "state", "dev", "master", "plugins"),
    }
)
"""Fields with a word of Kubernetes, DNS or the kernel, a version or a quantity; they stay."""

FIXED_IN = {("Link", "name"), ("Plugin", "name"), ("Cause", "name"), ("CniFile", "name"), ("Bundle", "server")}
FIXED_IN |= {("DnsOption", "name"), ("DnsOption", "value"), ("Target", "scheme"), ("Sysctl", "name"), ("Sysctl", "value")}
"""The same, for fields of one struct."""

SETTINGS = frozenset({"settings"})
"""Fields with words of a program's configuration; only addresses in them are replaced."""

TEXT = frozenset({"reason", "message", "detail", "problem", "lines", "why_not", "what", "how"})
"""Fields with sentences: names in them are recognised by their punctuation, or because other fields contain them."""

NOTE = {"anonymized": "names and addresses have been replaced"}
OWN = re.compile(r"[\w.-]*\b(kubernetes|k8s)\.io/[\w.-]+|kube-(system|public|node-lease)|ip6\.arpa|in-addr\.arpa")
"""Complete names that Kubernetes or DNS defines."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)


class Anonymous(Struct, frozen=True):
    """The anonymized bundle, and the translation of names and addresses, which its owner must keep private."""

    content: bytes
    words: dict[str, str]
    addresses: dict[str, str]

    def map(self) -> bytes:
        """Return the translation as JSON."""
        return msgspec.json.format(msgspec.json.encode({"words": self.words, "addresses": self.addresses}), indent=1) + b"\n"


def anonymize(content: bytes, key: bytes, vocabulary: frozenset[str]) -> Anonymous:
    """Return a bundle (its unpacked JSON) with other names and addresses; the same key (at most 64 bytes) gives the same result.

    ``vocabulary``: words that stay, see ``vocabulary.vocabulary``. Raises ``SourceError`` if it is not a bundle.
    """
    bundle = load(content, "the bundle").bundle
    typed = {name: _decoded(name, stored) for name, stored in bundle.listings.items()}
    rest = msgspec.structs.replace(bundle, listings={}, note={})
    words, addresses = Words(key, vocabulary), Addresses(key)
    for whole in (typed, rest):
        _walk(whole, lambda text, mode: _gather(words, text, mode))
    words.settle()

    def change(text: str, mode: str) -> str:
        if mode == "setting":
            return addresses.replace(text)
        return text if mode == "fixed" else _replaced(words, addresses, text, key)

    objects = {}
    for name, (items, stored) in _walk(typed, change).items():
        objects[name] = Stored([msgspec.Raw(msgspec.json.encode(item)) for item in items], stored.undecodable, stored.unavailable)
    done = msgspec.structs.replace(_walk(rest, change), listings=objects, note=NOTE)
    text = msgspec.json.format(msgspec.json.encode(done), indent=1) + b"\n"
    return Anonymous(text, words.changed, addresses.changed)


def _decoded(name: str, stored: Stored) -> tuple[list[Any], Stored]:
    """Return the objects of a listing as records; none of a kind that this netdoc does not know."""
    kind = KINDS.get(name)
    items = [msgspec.json.decode(raw, type=kind.record) for raw in stored.objects] if kind else []
    return items, Stored([], stored.undecodable, stored.unavailable)


Change = Callable[[str, str], str]
"""Replaces a text by its mode: ``name``, ``text`` (contains names), ``setting`` (addresses are replaced) or ``fixed`` (stays).
"""


def _walk(value: Any, change: Change, mode: str = "name") -> Any:
    """Return the same value with its texts replaced."""
    if isinstance(value, str) and type(value) is str:  # words of enumerations stay
        return change(value, mode)
    if isinstance(value, Struct):
        owner = type(value).__name__
        fields = {name: _walk(getattr(value, name), change, _mode(owner, name)) for name in value.__struct_fields__}
        return type(value)(**fields)
    if isinstance(value, Mapping):
        return {_walk(key, change, mode): _walk(item, change, mode) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value)(_walk(item, change, mode) for item in value)
    return value


def _mode(owner: str, field: str) -> str:
    if field in FIXED or (owner, field) in FIXED_IN:
        return "fixed"
    return "setting" if field in SETTINGS else "text" if field in TEXT else "name"


def _apart(text: str) -> tuple[list[str], list[str]]:
    """Return the parts of a text between its addresses, and the addresses."""
    return PATTERN.sub("\0", text).split("\0"), [match[0] for match in PATTERN.finditer(text)]


def _gather(words: Words, text: str, mode: str) -> str:
    if mode in ("fixed", "setting") or OWN.fullmatch(text):
        words.keep(text)
    elif not (_TIME.fullmatch(text) or _PEM.search(text)):
        for part in _apart(text)[0]:
            words.gather(part, name=mode == "name")
    return text


def _replaced(words: Words, addresses: Addresses, text: str, key: bytes) -> str:
    if _TIME.fullmatch(text) or OWN.fullmatch(text):
        return text
    if _PEM.search(text):
        return _PEM.sub(lambda match: _certificate(match[0], key), text)
    parts, between = _apart(text)
    changed = [words.replace(parts[0])]
    for address, part in zip(between, parts[1:], strict=True):
        changed += (addresses.replace(address), words.replace(part))
    return "".join(changed)


def _certificate(pem: str, key: bytes) -> str:
    """Return a replacement for a certificate: equal ones stay equal, and nothing of it can be read."""
    stand_in = base64.b64encode(hmac.digest(key, pem.encode(), "sha256")).decode()
    return f"-----BEGIN CERTIFICATE-----\n{stand_in}\n-----END CERTIFICATE-----"
