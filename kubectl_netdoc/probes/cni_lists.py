# SPDX-License-Identifier: Apache-2.0
"""CNI configurations as the runtime of a node reads them: since CNI 1.1 a list may have plugins in a folder beside it."""

from __future__ import annotations

import msgspec

from kubectl_netdoc import versions
from kubectl_netdoc.measurements.node import CniFile

RUNTIMES = {
    "containerd": versions.change("containerd-libcni")["folder"],
    "cri-o": versions.change("cri-o-libcni")["folder"],
}
"""The first versions of runtimes whose libcni reads the folder (``cni-list-folder`` in the table of versions)."""

KNOWN_BEFORE = frozenset({"containerd"})
"""Runtimes of which it is known that older versions do not."""


def reads_folder(runtime: str) -> bool | None:
    """Tell whether a runtime, as its node names it (``containerd://2.1.4``), reads plugins from the folder; None: not known."""
    name, _, version = runtime.partition("://")
    if name not in RUNTIMES or not versions.parse(version):
        return None
    return RUNTIMES[name].reached(versions.parse(version)) or (False if name in KNOWN_BEFORE else None)


def as_read(file: CniFile, runtime: str) -> CniFile | None:
    """Return a configuration with the plugins that the runtime runs, or why it takes none; None where that is not known."""
    if file.problem or (file.listed and not (file.folder or file.folder_problem)):
        return file
    reads = reads_folder(runtime)
    if reads is None:
        return None
    if not reads:
        since = RUNTIMES[runtime.partition("://")[0]]  # the first version that does
        lacks = (
            f"it has no plugins, and {runtime.replace('://', ' ')} reads none from a folder beside it (from {since} on it would)"
        )
        return file if file.listed else msgspec.structs.replace(file, problem=lacks)
    if file.folder_problem:
        return msgspec.structs.replace(file, problem=f"in the folder {file.network}: {file.folder_problem}")
    plugins = (*file.plugins, *file.folder)
    problem = "" if plugins else f"it has no plugins, and there are none in the folder {file.network} beside it"
    return msgspec.structs.replace(file, plugins=plugins, problem=problem)
