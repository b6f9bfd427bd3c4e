# SPDX-License-Identifier: Apache-2.0
"""Files to read objects from: one file, a folder with its subfolders, or an archive, which is read without being unpacked."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from kubectl_netdoc.formats.text import some
from kubectl_netdoc.sources import SourceError, Warn

SUFFIXES = (".yaml", ".yml", ".json")
KUBECTL_OUTPUT = re.compile(r"^(?:kubectl|oc)_.*-o_(?:json|yaml)(?:_|$)")
"""What sos names the output of a command, which has no suffix: ``kubectl_get_-o_json_nodes`` (sosreport/sos, kubernetes.py)."""

LARGEST = 512 << 20
"""Most bytes of one file in an archive: as many as a bundle may have. The pods of 15,000 are about 400 MB as JSON."""

LARGEST_ARCHIVE = 64 << 30
"""Most bytes that an archive may unpack to. A must-gather of a large cluster has some 10 GB, nearly all of them logs, which are
passed over as they come."""

MOST_FILES = 1_000_000
"""Most files in an archive. A must-gather has some 10,000."""

LONGEST_NAME = 1 << 20
"""Most bytes of an extended header (pax, GNU), which ``tarfile`` keeps in memory; it holds a name and a few attributes."""

GZIP, XZ, BZIP2 = b"\x1f\x8b", b"\xfd7zXZ\x00", b"BZh"
PACKED: dict[bytes, Callable[[Any], AbstractContextManager[Any]]] = {GZIP: gzip.open, XZ: lzma.open, BZIP2: bz2.open}
"""How what is compressed begins, and what reads it; unlike ``tarfile`` these notice that the end is missing."""

EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
HEAD = tarfile.BLOCKSIZE
"""Bytes that tell what a file is."""

NAMED = 3
"""Most files that a line names."""


class File(NamedTuple):
    """A file to read objects from. ``name``: with its folders, as messages say it."""

    name: str
    raw: bytes


def wanted(name: str) -> bool:
    """Tell by its name whether a file may hold objects; logs don't, whatever they are in."""
    return name.endswith(SUFFIXES) or bool(KUBECTL_OUTPUT.match(PurePosixPath(name).name))


def in_folder(folder: Path, warn: Warn) -> Iterator[File]:
    """Yield the files of a folder that may hold objects; tell of others but hidden ones in a line. Raises ``SourceError``."""
    others: list[str] = []
    for place in sorted(folder.rglob("*")):
        if not place.is_file():
            continue
        inner = place.relative_to(folder)
        if wanted(place.name):
            try:
                yield File(str(place), place.read_bytes())
            except OSError as error:
                raise SourceError(f"can't read {place}: {error.strerror}", 2) from error
        elif not any(part.startswith(".") for part in inner.parts):
            others.append(str(inner))
    if others:
        warn(f"ignored, as they don't end in {', '.join(SUFFIXES)}: {some(others, NAMED)}")


def is_archive(head: bytes) -> bool:
    """Tell whether these first bytes are those of a tar archive, compressed or not."""
    if head.startswith(GZIP):
        try:
            head = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, HEAD)
        except zlib.error:
            return False
    return head[257:262] == b"ustar" or head.startswith((XZ, BZIP2))


class _Entry(tarfile.TarInfo):
    """An entry of an archive. An extended header that is too long is refused before it is read."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Entry:
        """Return the entry of a header; raises ``SourceError``."""
        entry = super().frombuf(buf, encoding, errors)
        if entry.type in EXTENDED and entry.size > LONGEST_NAME:
            raise SourceError("a name in it is longer than any file's", 2)
        return entry


def in_archive(stream: io.BufferedReader, name: str) -> Iterator[File]:
    """Yield the files of a tar archive that may hold objects, one at a time; nothing is written, and no link is followed.

    Raises ``SourceError`` with exit code 2 if it is damaged, or larger than any cluster makes it.
    """
    try:
        unpacked = next((opened for magic, opened in PACKED.items() if stream.peek(HEAD).startswith(magic)), nullcontext)(stream)
        with unpacked as plain, tarfile.open(fileobj=plain, mode="r|", tarinfo=_Entry) as archive:
            for entry in _bounded(archive):
                if entry.isreg() and not entry.issparse() and wanted(entry.name) and _inside(entry.name):
                    content = archive.extractfile(entry)
                    yield File(f"{name}/{entry.name.removeprefix('./')}", content.read() if content else b"")
    except SourceError as error:
        raise SourceError(f"{name}: {error}", 2) from error
    except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError, ValueError, RecursionError) as error:
        raise SourceError(f"{name}: the archive is damaged or truncated: {error}", 2) from error


def _bounded(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for number, entry in enumerate(archive):
        archive.members = []  # type: ignore[attr-defined]  # each of which it keeps for later
        if number >= MOST_FILES:
            raise SourceError(f"it has more than {MOST_FILES} files", 2)
        if entry.offset_data + entry.size > LARGEST_ARCHIVE:
            raise SourceError(f"it unpacks to more than {LARGEST_ARCHIVE >> 30} GiB", 2)
        if wanted(entry.name) and entry.size > LARGEST:
            raise SourceError(f"{entry.name} in it is larger than {LARGEST >> 20} MiB", 2)
        yield entry


def _inside(name: str) -> bool:
    """Tell whether a name stays in its archive: such names alone are its own files'."""
    place = PurePosixPath(name)
    return not place.is_absolute() and ".." not in place.parts
