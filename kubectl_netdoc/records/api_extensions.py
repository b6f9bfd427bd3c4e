# SPDX-License-Identifier: Apache-2.0
"""What the API server calls: webhooks of admission and conversion, and aggregated APIs."""

from __future__ import annotations

from typing import Any

from kubectl_netdoc.formats import certificate
from kubectl_netdoc.records.base import Condition, Kind, Moment, Object, Record
from kubectl_netdoc.records.policies import LabelSelector
from kubectl_netdoc.records.service_mesh import MESH_KINDS


class CalledService(Record, frozen=True):
    """A Service that the API server calls."""

    namespace: str = ""
    name: str = ""
    port: int = 443

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Dates(Record, frozen=True):
    """The validity of a certificate."""

    begins: Moment
    ends: Moment


class ClientConfig(Record, frozen=True):
    """What the API server calls, as it comes over the wire; only its reduced form is kept."""

    service: CalledService | None = None
    url: str = ""
    ca_bundle: bytes = b""


class Called(Record, frozen=True):
    """What the API server calls. ``by_url``: a URL, which may be outside the cluster. ``certificates``: the caBundle's dates."""

    service: CalledService | None = None
    by_url: bool = False
    certificates: tuple[Dates, ...] = ()


class WebhookRule(Record, frozen=True):
    """The requests that a webhook selects."""

    operations: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    scope: str = "*"


class _Webhook(Record, frozen=True):
    name: str = ""
    rules: tuple[WebhookRule, ...] = ()
    failure_policy: str = "Fail"
    timeout_seconds: int = 10
    namespace_selector: LabelSelector = LabelSelector()
    object_selector: LabelSelector = LabelSelector()


class RawWebhook(_Webhook, frozen=True):
    """A webhook as it comes over the wire."""

    client_config: ClientConfig = ClientConfig()


class Webhook(_Webhook, frozen=True):
    """A webhook. The defaults are those of admissionregistration.k8s.io/v1."""

    called: Called = Called()


class RawWebhookConfiguration(Object, frozen=True):
    """A ValidatingWebhookConfiguration or MutatingWebhookConfiguration as it comes over the wire."""

    webhooks: tuple[RawWebhook, ...] = ()


class WebhookConfiguration(Object, frozen=True):
    """A ValidatingWebhookConfiguration or MutatingWebhookConfiguration."""

    webhooks: tuple[Webhook, ...] = ()


class RawAPIServiceSpec(Record, frozen=True):
    """The spec of an APIService, as it comes over the wire."""

    service: CalledService | None = None
    ca_bundle: bytes = b""


class APIServiceStatus(Record, frozen=True):
    """The status of an APIService."""

    conditions: tuple[Condition, ...] = ()


class RawAPIService(Object, frozen=True):
    """An APIService as it comes over the wire."""

    spec: RawAPIServiceSpec = RawAPIServiceSpec()
    status: APIServiceStatus = APIServiceStatus()


class APIService(Object, frozen=True):
    """An API of the aggregation layer; without a Service the API server serves it itself."""

    called: Called = Called()
    status: APIServiceStatus = APIServiceStatus()

    @property
    def available(self) -> Condition | None:
        """The condition Available, or None."""
        return next((condition for condition in self.status.conditions if condition.type == "Available"), None)


class ConversionWebhook(Record, frozen=True):
    """The webhook of a conversion, as it comes over the wire."""

    client_config: ClientConfig = ClientConfig()


class Conversion(Record, frozen=True):
    """The conversion between versions of a custom resource."""

    strategy: str = "None"
    webhook: ConversionWebhook = ConversionWebhook()


class DefinedVersion(Record, frozen=True):
    """A version of a custom resource, as it comes over the wire."""

    name: str = ""
    served: bool = False


class DefinedNames(Record, frozen=True):
    """The names of a custom resource."""

    kind: str = ""


class RawDefinitionSpec(Record, frozen=True):
    """The part of a CustomResourceDefinition that is read, as it comes over the wire; no schema."""

    group: str = ""
    names: DefinedNames = DefinedNames()
    conversion: Conversion = Conversion()
    versions: tuple[DefinedVersion, ...] = ()


class DefinitionStatus(Record, frozen=True):
    """The versions in which objects have been stored, since they were last moved out of one."""

    stored_versions: tuple[str, ...] = ()


class RawDefinition(Object, frozen=True):
    """A CustomResourceDefinition as it comes over the wire."""

    spec: RawDefinitionSpec = RawDefinitionSpec()
    status: DefinitionStatus = DefinitionStatus()


class Definition(Object, frozen=True):
    """A CustomResourceDefinition: its conversion webhook if it has one, and its versions, those that are served and stored."""

    called: Called = Called()
    group: str = ""
    kind: str = ""
    served: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()

    @property
    def left(self) -> tuple[str, ...]:
        """The versions in which objects were written and that are no longer served."""
        return tuple(version for version in self.stored if version not in self.served)


def called(raw: ClientConfig) -> Called:
    """Return what is kept of a client config."""
    dates = tuple(Dates(begins=found.begins, ends=found.ends) for found in certificate.validities(raw.ca_bundle))
    return Called(service=raw.service, by_url=bool(raw.url), certificates=dates)


def webhooks(raw: RawWebhookConfiguration) -> WebhookConfiguration:
    """Return what is kept of a webhook configuration."""
    kept = (Webhook(**_fields(hook), called=called(hook.client_config)) for hook in raw.webhooks)
    return WebhookConfiguration(metadata=raw.metadata, webhooks=tuple(kept))


def _fields(hook: _Webhook) -> dict[str, Any]:
    return {name: getattr(hook, name) for name in _Webhook.__struct_fields__}


def api_service(raw: RawAPIService) -> APIService:
    """Return what is kept of an APIService."""
    config = ClientConfig(service=raw.spec.service, ca_bundle=raw.spec.ca_bundle)
    return APIService(metadata=raw.metadata, called=called(config), status=raw.status)


def definition(raw: RawDefinition) -> Definition:
    """Return what is kept of a CustomResourceDefinition."""
    conversion = raw.spec.conversion
    converts = conversion.strategy == "Webhook" and len(raw.spec.versions) != 1  # one version is never converted
    config = conversion.webhook.client_config if converts else ClientConfig()
    return Definition(
        metadata=raw.metadata,
        called=called(config),
        group=raw.spec.group,
        kind=raw.spec.names.kind,
        served=tuple(version.name for version in raw.spec.versions if version.served),
        stored=raw.status.stored_versions,
    )


_REGISTRATION = "admissionregistration.k8s.io"


def _configuration(name: str, plural: str) -> Kind[WebhookConfiguration]:
    raw = RawWebhookConfiguration
    return Kind(name, _REGISTRATION, "v1", plural, WebhookConfiguration, namespaced=False, wire=raw, reduce=webhooks)


VALIDATING_WEBHOOKS = _configuration("ValidatingWebhookConfiguration", "validatingwebhookconfigurations")
MUTATING_WEBHOOKS = _configuration("MutatingWebhookConfiguration", "mutatingwebhookconfigurations")
API_SERVICE = Kind(
    "APIService",
    "apiregistration.k8s.io",
    "v1",
    "apiservices",
    APIService,
    namespaced=False,
    wire=RawAPIService,
    reduce=api_service,
)
DEFINITION = Kind(
    "CustomResourceDefinition",
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    Definition,
    namespaced=False,
    wire=RawDefinition,
    reduce=definition,
)

CONTROL_KINDS: tuple[Kind[Any], ...] = (VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS, API_SERVICE, DEFINITION, *MESH_KINDS)
