# SPDX-License-Identifier: Apache-2.0
"""Mutations of processes: of the data path and of the control plane, stopped, killed or slowed."""

from __future__ import annotations

import shlex
from random import Random

from bench.campaign.inventory import Inventory
from bench.campaign.mutation import Mutation
from bench.campaign.nodes import on_nodes

PROCESSES = {
    "worker": ("kubelet", "containerd", "kube-proxy", "flanneld", "coredns"),
    "control plane": (
        "kubelet", "kube-proxy", "flanneld", "coredns", "kube-controller-manager", "kube-scheduler", "etcd", "kube-apiserver",
    ),
}  # fmt: skip
SLOWED = "for i in $(seq 1 2000); do pkill -STOP -x {name}; sleep 0.9; pkill -CONT -x {name}; sleep 0.1; done"


def process(rng: Random, inventory: Inventory) -> Mutation | None:
    """A process of the data path or the control plane stopped, killed or slowed."""
    control = rng.random() < 0.3
    nodes = (inventory.control_plane,) if control else (rng.choice(inventory.workers),)
    name = rng.choice(PROCESSES["control plane" if control else "worker"])
    comm = name[:15]
    way = rng.choice(("stopped", "stopped", "killed", "slowed"))
    marks = ((name, comm),)
    there = f"pgrep -x {comm} >/dev/null"
    layer = "dns" if name == "coredns" else "cluster"
    if way == "killed":
        return on_nodes(
            "process",
            f"{name} is killed",
            nodes,
            inventory,
            marks,
            [f"{there} && pkill -KILL -x {comm}"],
            ["true"],
            settle=6.0,
            layers=(layer,),
        )
    if way == "stopped":
        return on_nodes(
            "process",
            f"{name} is stopped (SIGSTOP)",
            nodes,
            inventory,
            marks,
            [f"{there} && pkill -STOP -x {comm}"],
            [f"pkill -CONT -x {comm}"],
            settle=12.0,
            layers=(layer,),
        )
    loop = SLOWED.format(name=comm)
    start = f"{there} && setsid -f sh -c {shlex.quote('echo $$ >/run/campaign.pid; ' + loop)} >/dev/null 2>&1 </dev/null"
    stop = f"kill $(cat /run/campaign.pid); rm -f /run/campaign.pid; sleep 1; pkill -CONT -x {comm}"
    return on_nodes(
        "process", f"{name} runs a tenth of the time", nodes, inventory, marks, [start], [stop], settle=8.0, layers=(layer,)
    )
