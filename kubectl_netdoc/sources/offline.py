# SPDX-License-Identifier: Apache-2.0
"""Whatever a path holds as a source: a bundle, manifests, or a dump of a cluster; told apart by what is in it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from kubectl_netdoc.sources import Source, SourceError, Warn, bundle, documents, files
from kubectl_netdoc.sources.documents import Document
from kubectl_netdoc.sources.dumps import DumpSource, read_from_cluster
from kubectl_netdoc.sources.files import File
from kubectl_netdoc.sources.manifests import ManifestSource


def read(path: Path, warn: Warn) -> Source:
    """Return the source in a file, an archive or a folder with its subfolders; ``warn`` is told what is passed over.

    Raises ``SourceError`` with exit code 2 if there is nothing to read.
    """
    try:
        if path.is_dir():
            return _of(str(path), _parsed(files.in_folder(path, warn), warn), warn)
        with path.open("rb") as stream:
            return _of_stream(stream, str(path), warn)
    except OSError as error:
        raise SourceError(f"can't read {path}: {error.strerror}", 2) from error


def parse(raw: bytes, name: str, warn: Warn) -> Source:
    """Return the source in the bytes of a file; ``name`` is for messages. Raises ``SourceError`` as ``read`` does."""
    return _of_stream(io.BufferedReader(io.BytesIO(raw)), name, warn)


def _of_stream(stream: io.BufferedReader, name: str, warn: Warn) -> Source:
    if files.is_archive(stream.peek(files.HEAD)):
        return _of(name, _parsed(files.in_archive(stream, name), warn), warn)
    raw = stream.read()
    return bundle.load(raw, name) if bundle.is_bundle(raw) else _of(name, documents.parse(raw, name), warn)


def _parsed(found: Iterable[File], warn: Warn) -> Iterator[Document]:
    """Yield the documents of files; one that is not what its name says is told, and passed over."""
    for file in found:
        try:
            yield from documents.parse(file.raw, file.name)
        except SourceError as error:
            warn(f"ignored: {error}")


def _of(name: str, found: Iterable[Document], warn: Warn) -> Source:
    """Return what documents are, by the first list in them that says whether it was read from a cluster."""
    begun: list[Document] = []
    rest = iter(found)
    dumped: bool | None = None
    for document in rest:
        begun.append(document)
        dumped = read_from_cluster(document.content)
        if dumped is not None:
            break
    kind = DumpSource if dumped else ManifestSource
    return kind(name, chain(begun, rest), warn)
