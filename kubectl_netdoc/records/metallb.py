# SPDX-License-Identifier: Apache-2.0
"""MetalLB's own resources: which pools it announces, for which Services, from which nodes."""

from __future__ import annotations

from msgspec import field

from kubectl_netdoc.records.base import Kind, Object, Record
from kubectl_netdoc.records.policies import LabelSelector


class AdvertisementSpec(Record, frozen=True):
    """What an advertisement covers, and who announces it; an empty list is no limit. ``peers``: names of BGPPeers."""

    pools: tuple[str, ...] = field(name="ipAddressPools", default=())
    pool_selectors: tuple[LabelSelector, ...] = field(name="ipAddressPoolSelectors", default=())
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    peers: tuple[str, ...] = ()


class Advertisement(Object, frozen=True):
    """An L2Advertisement, a BGPAdvertisement, or of a BGPPeer the nodes that talk to it."""

    spec: AdvertisementSpec = AdvertisementSpec()


class Pool(Object, frozen=True):
    """An IPAddressPool; only its labels count."""


METALLB_L2 = Kind("L2Advertisement", "metallb.io", "v1beta1", "l2advertisements", Advertisement, authored=False)
METALLB_BGP = Kind("BGPAdvertisement", "metallb.io", "v1beta1", "bgpadvertisements", Advertisement, authored=False)
METALLB_PEER = Kind("BGPPeer", "metallb.io", "v1beta2", "bgppeers", Advertisement, authored=False, also=("v1beta1",))
METALLB_POOL = Kind("IPAddressPool", "metallb.io", "v1beta1", "ipaddresspools", Pool, authored=False)
METALLB_KINDS = (METALLB_L2, METALLB_BGP, METALLB_PEER, METALLB_POOL)
