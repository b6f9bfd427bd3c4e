# SPDX-License-Identifier: Apache-2.0
"""The base of all records, and kinds of the API."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import replace

from kubectl_netdoc.formats import addresses, strict_json
from kubectl_netdoc.formats.object_schema import Rule

R = TypeVar("R", bound="Object")
T = TypeVar("T", bound=Hashable)
REMEMBERED = 1 << 14
"""Values that are remembered to keep equal ones once. Lists come in the order of names, so equal ones are near each other."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its zone, as the API writes it; one without can't be compared and is not decoded."""


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base of all records: frozen, camelCase in JSON, defaults left out."""


def canonical(record: Record, *names: str) -> None:
    """Write the addresses in these fields as all programs do, for they are compared as texts and connected to.

    A record with the field ``written`` keeps the texts of the object that not all programs read alike.
    """
    odd: list[str] = []
    for name in names:
        value = getattr(record, name)
        texts = value if isinstance(value, tuple) else (value,)
        changed = tuple(map(addresses.canonical, texts))
        if changed != texts:
            odd += filter(addresses.odd, texts)
            msgspec.structs.force_setattr(record, name, changed if isinstance(value, tuple) else changed[0])
    if odd and hasattr(record, "written"):
        msgspec.structs.force_setattr(record, "written", tuple(dict.fromkeys((*record.written, *odd))))


@lru_cache(maxsize=REMEMBERED)
def same(value: T) -> T:
    """Return the first of equal values, so that what many objects say alike is kept once."""
    return value


@lru_cache(maxsize=REMEMBERED)
def _same_mapping(items: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return dict(items)


def share(record: Record, *names: str) -> None:
    """Keep in these fields the first of equal values (``same``)."""
    for name in names:
        msgspec.structs.force_setattr(record, name, same(getattr(record, name)))


class OwnerReference(Record, frozen=True):
    """An owner of the object."""

    kind: str = ""
    name: str = ""
    controller: bool = False


class Annotations(Record, frozen=True):
    """The allow-list of annotations."""

    ignore: str = field(name="netdoc/ignore", default="")
    trigger_time: str = field(name="endpoints.kubernetes.io/last-change-trigger-time", default="")
    flannel_backend: str = field(name="flannel.alpha.coreos.com/backend-type", default="")
    flannel_data: str = field(name="flannel.alpha.coreos.com/backend-data", default="")
    flannel_data6: str = field(name="flannel.alpha.coreos.com/backend-v6-data", default="")
    flannel_ip: str = field(name="flannel.alpha.coreos.com/public-ip", default="")
    flannel_ip6: str = field(name="flannel.alpha.coreos.com/public-ipv6", default="")
    calico_address: str = field(name="projectcalico.org/IPv4Address", default="")
    calico_vxlan: str = field(name="projectcalico.org/IPv4VXLANTunnelAddr", default="")
    calico_ipip: str = field(name="projectcalico.org/IPv4IPIPTunnelAddr", default="")
    calico_wireguard: str = field(name="projectcalico.org/WireguardPublicKey", default="")
    calico_address6: str = field(name="projectcalico.org/IPv6Address", default="")
    calico_vxlan6: str = field(name="projectcalico.org/IPv6VXLANTunnelAddr", default="")
    calico_wireguard6: str = field(name="projectcalico.org/WireguardPublicKeyV6", default="")
    topology_mode: str = field(name="service.kubernetes.io/topology-mode", default="")
    topology_hints: str = field(name="service.kubernetes.io/topology-aware-hints", default="")
    ovn_subnets: str = field(name="k8s.ovn.org/node-subnets", default="")
    ingress_class: str = field(name="kubernetes.io/ingress.class", default="")
    default_class: str = field(name="ingressclass.kubernetes.io/is-default-class", default="")
    canary: str = field(name="nginx.ingress.kubernetes.io/canary", default="")
    kube_router: str = field(name="kube-router.io/pod-cidrs", default="")
    cilium_global: str = field(name="service.cilium.io/global", default="")
    cilium_global_old: str = field(name="io.cilium/global-service", default="")
    traefik_entrypoints: str = field(name="traefik.ingress.kubernetes.io/router.entrypoints", default="")
    traefik_tls: str = field(name="traefik.ingress.kubernetes.io/router.tls", default="")
    istio_inject: str = field(name="sidecar.istio.io/inject", default="")
    istio_not_redirected: str = field(name="traffic.sidecar.istio.io/excludeInboundPorts", default="")
    istio_redirection: str = field(name="ambient.istio.io/redirection", default="")
    linkerd_inbound: str = field(name="config.linkerd.io/default-inbound-policy", default="")
    linkerd_not_redirected: str = field(name="config.linkerd.io/skip-inbound-ports", default="")
    revision: str = field(name="deployment.kubernetes.io/revision", default="")
    metallb_pool: str = field(name="metallb.io/ip-allocated-from-pool", default="")
    metallb_pool_before: str = field(name="metallb.universe.tf/ip-allocated-from-pool", default="")
    proxy_digitalocean: str = field(name="service.beta.kubernetes.io/do-loadbalancer-enable-proxy-protocol", default="")
    proxy_hetzner: str = field(name="load-balancer.hetzner.cloud/uses-proxyprotocol", default="")
    proxy_linode: str = field(name="service.beta.kubernetes.io/linode-loadbalancer-default-proxy-protocol", default="")
    proxy_openstack: str = field(name="loadbalancer.openstack.org/proxy-protocol", default="")
    proxy_scaleway: str = field(name="service.beta.kubernetes.io/scw-loadbalancer-proxy-protocol-v2", default="")
    proxy_vultr: str = field(name="service.beta.kubernetes.io/vultr-loadbalancer-proxy-protocol", default="")


class ObjectMeta(Record, frozen=True):
    """The part of metadata that checks read."""

    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: Annotations = Annotations()
    owner_references: tuple[OwnerReference, ...] = ()
    creation_timestamp: Moment | None = None
    deletion_timestamp: Moment | None = None

    def __post_init__(self) -> None:
        """Keep once what the objects of a namespace, and the pods of a workload, have alike."""
        if self.labels:
            msgspec.structs.force_setattr(self, "labels", _same_mapping(tuple(self.labels.items())))
        share(self, "namespace", "owner_references")


FIELD = re.compile("f:([a-z][A-Za-z0-9]*)")
MAPS = frozenset(
    {"annotations", "binaryData", "data", "labels", "limits", "matchLabels", "nodeSelector", "options", "requests", "selector"}
)
"""Fields whose keys are no names of the API: they may say anything."""

MOST_FIELDS = 6
"""So many fields are what somebody changed; who wrote more has written the object."""


class ManagedFields(Record, frozen=True):
    """Who wrote an object, how and when, and which ``fields`` ("spec.ports[].targetPort") where these are few."""

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: Moment | None = None
    fields: tuple[str, ...] = ()
    fields_v1: dict[str, Any] | UnsetType = field(name="fieldsV1", default=UNSET)

    def __post_init__(self) -> None:
        """Keep names of the API's fields alone: neither keys of maps nor anything of lists' items."""
        if self.fields_v1 is not UNSET:
            found = tuple(islice(dict.fromkeys(_written(self.fields_v1)), MOST_FIELDS + 1))
            msgspec.structs.force_setattr(self, "fields", found if len(found) <= MOST_FIELDS else ())
            msgspec.structs.force_setattr(self, "fields_v1", UNSET)


def _written(fields: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the paths of the fields in a FieldsV1 (Kubernetes API reference): "f:" names a field, "k:" an item of a list."""
    inner = [] if path.rpartition(".")[2] in MAPS else [(key, each) for key, each in fields.items() if isinstance(each, dict)]
    below = [(f"{path}.{name[1]}".removeprefix("."), each) for key, each in inner if (name := FIELD.fullmatch(key))]
    below += [(path.removesuffix("[]") + "[]", each) for key, each in inner if path and key[:2] in ("k:", "v:", "i:")]
    if path and not below:
        yield path
    for deeper, each in below:
        yield from _written(each, deeper)


class TracedMeta(ObjectMeta, frozen=True):
    """Metadata of a kind whose last changes are shown."""

    managed_fields: tuple[ManagedFields, ...] = ()


class Object(Record, frozen=True):
    """Anything with metadata."""

    metadata: ObjectMeta = ObjectMeta()

    @property
    def name(self) -> str:
        """metadata.name."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """metadata.namespace, empty for cluster-scoped objects."""
        return self.metadata.namespace


class Traced(Object, frozen=True):
    """An object that people and their tools change: who changed it and when is read too. Not for pods: there are too many."""

    metadata: TracedMeta = TracedMeta()


class Condition(Record, frozen=True):
    """A status condition of any object."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: Moment | None = None


class Kind(Struct, Generic[R], frozen=True):
    """A kind of the API: where to list it, and the record it decodes to.

    ``names``: only these objects are read, one by one. ``selectors``: one list for each field selector.
    ``wire`` and ``reduce``: decoded as ``wire``, kept as what ``reduce`` makes of it.
    ``logs``: (namespace, label selector) of the pods whose logs are read, each as an object with its ``text``.
    ``troubled``: only of containers that are not ready, one object each.
    ``pointed``: only the objects that others name are read; it returns their (namespace, name) from the lists of those.
    ``authored``: people write it in manifests, so a folder without one means there is none.
    ``version``: the one that netdoc would rather read; ``also``: others that it can read, the best first, and with GROUP/ before
    it one of another group that holds the same objects. Which one is read, the server's discovery decides.
    ``asked``: what API servers ask of its spec, where that is known.
    ``past``: as they were as long ago as the API server remembers, some minutes; only a live cluster has them.
    ``written``: the kind in objects, if ``name`` differs to distinguish two kinds of different groups.
    """

    name: str
    group: str
    version: str
    plural: str
    record: type[R]
    namespaced: bool = True
    authored: bool = True
    names: tuple[tuple[str, str], ...] = ()
    selectors: tuple[str, ...] = ("",)
    also: tuple[str, ...] = ()
    logs: tuple[tuple[str, str], ...] = ()
    troubled: bool = False
    pointed: Callable[[Mapping[str, Iterable[Any]]], tuple[tuple[str, str], ...]] | None = None
    written: str = ""
    wire: type[Object] | None = None
    reduce: Callable[[Any], R] | None = None
    asked: Rule | None = None
    past: bool = False

    @property
    def api(self) -> str:
        """The API version, as objects name it: ``apps/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def apis(self) -> tuple[str, ...]:
        """The API versions in which it can be read, the best first."""
        return (self.api, *(each if "/" in each else f"{self.group}/{each}" for each in self.also))

    @property
    def groups(self) -> tuple[str, ...]:
        """The API groups that hold such objects."""
        return tuple(dict.fromkeys(api.rpartition("/")[0] for api in self.apis))

    @property
    def path(self) -> str:
        """The API version's path, such as ``/apis/apps/v1``."""
        return f"/apis/{self.api}" if self.group else f"/api/{self.api}"

    def at(self, api: str) -> Kind[R]:
        """Return it as it is read in one of ``apis`` alone."""
        group, _, version = api.rpartition("/")
        return replace(self, group=group, version=version, also=())

    def keep(self, decoded: Any) -> R:
        """Return the record that is kept of a decoded object."""
        return self.reduce(decoded) if self.reduce else decoded


def refused(kind: Kind[Any], value: Any) -> str:
    """Return why no API server takes a decoded object; "" where one may."""
    return next(kind.asked(value.get("spec") or {}, "spec"), "") if kind.asked else ""


def without_nulls(value: Any) -> Any:
    """Return ``value`` with null members of objects left out: in the API null and absent are the same."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def convert(kind: Kind[R], value: Any) -> R:
    """Return the record of a decoded JSON or YAML object; raises ``msgspec.ValidationError``."""
    return kind.keep(strict_json.convert(without_nulls(value), kind.wire or kind.record))
