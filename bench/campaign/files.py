# SPDX-License-Identifier: Apache-2.0
"""Mutations of files: of CNI, of the resolver, of the kubelet and of flannel."""

from __future__ import annotations

import re
import shlex
from random import Random

from bench.campaign.inventory import Inventory
from bench.campaign.mutation import Mutation, one_off
from bench.campaign.nodes import EVERYWHERE, on_nodes, where


def file(rng: Random, inventory: Inventory) -> Mutation | None:
    """A file of CNI, of the resolver or of the kubelet: a line changed, or the file or a program gone."""
    nodes = where(rng, inventory)
    node = nodes[0]
    files = [line.split("=", 1)[0] for line in node.lines("files")]
    if not files:
        return None
    path = rng.choice(files)
    lines = [line.split("=", 1)[1] for line in node.lines("files") if line.startswith(path + "=")]
    kept = f"/var/tmp/campaign{path.replace('/', '_')}"
    restart = ["systemctl restart kubelet"] if "kubelet" in path else []
    layers = ("dns",) if "resolv" in path else EVERYWHERE
    save, back = f"cp -p {path} {kept}", f"cat {kept} >{path} && chmod --reference={kept} {path} && rm {kept}"
    if path.startswith("/opt/cni/bin/"):
        way, gone = rng.choice((("gone", f"mv {path} {kept}"), ("not executable", f"{save}; chmod 600 {path}")))
        back = f"rm -f {path}; mv {kept} {path}; chmod 755 {path}"
        return on_nodes("file", f"{path} is {way}", nodes, inventory, ((path.rsplit("/", 1)[1],),), [gone], [back], layers=layers)
    if rng.random() < 0.15 and "resolv" not in path:
        return on_nodes(
            "file",
            f"{path} is gone",
            nodes,
            inventory,
            ((path.rsplit("/", 1)[1],),),
            [f"mv {path} {kept}", *restart],
            [f"mv {kept} {path}", *restart],
            layers=layers,
        )
    line = rng.choice([each for each in lines if re.search(r"\w", each)])
    if rng.random() < 0.25:
        new, edit = "", f"grep -vxF -- {shlex.quote(line)} {kept} >{path} || true"
    else:
        word = rng.choice(re.findall(r"[\w./:-]*\w", line))
        new = line.replace(word, one_off(word, rng), 1)
        edit = (
            f"awk -v a={shlex.quote(line)} -v b={shlex.quote(new)} '$0==a && !d {{print b; d=1; next}} {{print}}' {kept} >{path}"
        )
    words = [word for text in (line, new) for word in re.findall(r"[\w./:-]*\w", text) if len(word) > 1]
    return on_nodes(
        "file", f"{path}: {line.strip()!r} is {new.strip()!r}" if new else f"{path}: {line.strip()!r} is gone", nodes, inventory,
        (tuple(dict.fromkeys([*words, path.rsplit("/", 1)[1]])),), [save, edit, *restart], [back, *restart],
        settle=6.0 if restart else 2.0, layers=layers,
    )  # fmt: skip
