# SPDX-License-Identifier: Apache-2.0
"""Tools of others that look at a whole cluster: built from the registries, asked in their own most complete way.

    python -m bench.peers

builds them (into the cache, never into the repo) and prints the version and the commands of each. `judge.py` says when one
is right.
"""

from __future__ import annotations

from bench.peers.cluster_probe import NETWORK, STATIC
from bench.peers.k8sgpt import K8SGPT
from bench.peers.netinspect import NETINSPECT
from bench.peers.peer import Answer, Complaint, Peer, PeerError
from bench.peers.popeye import POPEYE

__all__ = ["PEERS", "SLOW", "Answer", "Complaint", "Peer", "PeerError"]

PEERS: tuple[Peer, ...] = (POPEYE, K8SGPT, NETINSPECT, STATIC)
SLOW: tuple[Peer, ...] = (NETWORK,)
"""Half a minute or more an answer, and each answer changes the cluster: only asked by name."""
