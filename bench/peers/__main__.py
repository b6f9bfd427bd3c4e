# SPDX-License-Identifier: Apache-2.0
"""Builds the peers and prints what they are and how they are asked."""

from __future__ import annotations

import sys

from bench.peers import PEERS, SLOW, PeerError


def main() -> int:
    """Build them all; one that can't be built does not keep the others."""
    failed = 0
    for peer in (*PEERS, *SLOW):
        try:
            peer.build()
        except PeerError as error:
            failed += 1
            print(f"{peer.name} {peer.version} ({peer.source}): {error}", file=sys.stderr)
            continue
        print(f"{peer.name} {peer.version} ({peer.source}): {peer.shown}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
