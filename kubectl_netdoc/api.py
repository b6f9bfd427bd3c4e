# SPDX-License-Identifier: Apache-2.0
"""What a check imports: the words of a check, the records it reads, what can be measured, and how a fix is printed.

The built-in checks import from here and from the rooms ``cni``, ``components``, ``policy``, ``probes``, ``routing``, ``tracing``
and ``versions``, and from nothing else of netdoc; so can yours. docs/stability.md says which of it stays, CONTRIBUTING.md leads
from an empty file to a check with its tests.
"""

from kubectl_netdoc.core import ip_families
from kubectl_netdoc.core.check import Check, Needs, Skip
from kubectl_netdoc.core.closest_match import nearest_labels, nearest_name, selector_text, set_by_controller, typo
from kubectl_netdoc.core.cluster import Cluster, Unavailable, matches
from kubectl_netdoc.core.evidence import NodePath, ObjectRef
from kubectl_netdoc.core.facts import Facts, PodProblem, Vantage
from kubectl_netdoc.core.finding import CAME_THROUGH, Code, Explains, Finding, Grant, Severity, Subject, Unseen
from kubectl_netdoc.core.lasting_events import lasting
from kubectl_netdoc.core.new_nodes import JOINING, is_joining, joining
from kubectl_netdoc.core.settling import SETTLING
from kubectl_netdoc.core.threshold import Threshold
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.formats import sandbox_event
from kubectl_netdoc.formats.addresses import (
    IPRange,
    in_any,
    ip_address,
    ip_network,
    ip_range,
    is_address,
    is_plain,
    is_range,
    odd,
)
from kubectl_netdoc.formats.coredns_log import UPSTREAM, Cause
from kubectl_netdoc.formats.corefile import Corefile, ServerBlock, left_open
from kubectl_netdoc.formats.corefile import Plugin as CorefilePlugin
from kubectl_netdoc.formats.corefile_refusal import Wrong
from kubectl_netdoc.formats.corefile_zones import zone_and_port
from kubectl_netdoc.formats.prometheus_text import Metrics
from kubectl_netdoc.formats.quantity import cores
from kubectl_netdoc.formats.sandbox_event import Failure
from kubectl_netdoc.formats.text import beginning, counted, ending, joined, some
from kubectl_netdoc.measurements.base import Address, Lost, Outcome, OwnName, OwnService, Peer, ResolvConfNameserver
from kubectl_netdoc.measurements.canary import Canary, CanaryReply, CanaryTrial
from kubectl_netdoc.measurements.connect import (
    ECHO_PORTS,
    Certificate,
    CertificateReply,
    Connect,
    ConnectReply,
    Echo,
    EchoReply,
    EchoSample,
    HttpGet,
    HttpReply,
)
from kubectl_netdoc.measurements.dns import DnsLookup, DnsReply, DnsSample, ResolvConf, ResolvConfReply
from kubectl_netdoc.measurements.made import Made
from kubectl_netdoc.measurements.node import (
    BridgePort,
    CniConfig,
    CniConfigReply,
    CniFile,
    Conntrack,
    ConntrackReply,
    Flow,
    Forwarding,
    Kernel,
    KernelReply,
    KernelRoute,
    Link,
    Neighbour,
    NodeRules,
    Rtnetlink,
    RtnetlinkReply,
    ServiceRules,
    ServiceRulesReply,
)
from kubectl_netdoc.measurements.over_time import Look, OverTime, OverTimeReply, Place, PlaceOverTime
from kubectl_netdoc.measurements.path import Burst, BurstReply, PathMtu, PathMtuReply, Round
from kubectl_netdoc.measurements.requests import Reply, Request
from kubectl_netdoc.measurements.statistics import evenly, percentile
from kubectl_netdoc.measurements.trace import NodeRulesReply, PolicyRoute, Queue, Rule, RuleSet, TapReading, Trace, TraceReply
from kubectl_netdoc.records.api_extensions import (
    API_SERVICE,
    DEFINITION,
    MUTATING_WEBHOOKS,
    VALIDATING_WEBHOOKS,
    Called,
    CalledService,
)
from kubectl_netdoc.records.app_config import APP_CONFIG, AppConfig
from kubectl_netdoc.records.app_config import MOST as MOST_CONFIGS
from kubectl_netdoc.records.base import Condition, Kind
from kubectl_netdoc.records.cni import (
    CALICO_INSTALLATION,
    CALICO_POOL,
    CALICO_RESERVATION,
    METALLB_L2,
    NETWORK_AGENT,
    NETWORK_KINDS,
)
from kubectl_netdoc.records.config_maps import CorefileMap
from kubectl_netdoc.records.container_settings import Target
from kubectl_netdoc.records.gateway_api import (
    BACKEND_TLS_POLICY,
    CA_CERTIFICATES,
    GATEWAY_CLASS,
    LISTENER_SETS,
    REFERENCE_GRANT,
    BackendTLSPolicy,
    Gateway,
    Listener,
    ListenerSet,
    Reference,
    Route,
    ca_config_maps,
)
from kubectl_netdoc.records.ingress import INGRESS_CLASS, TLS_SECRET, Ingress, IngressPath, TlsCertificate, tls_secrets
from kubectl_netdoc.records.kinds import (
    ADMIN_NETWORK_POLICY,
    BASELINE_ADMIN_NETWORK_POLICY,
    COREFILE,
    DAEMON_SET,
    DEPLOYMENT,
    DNS_LOG,
    ENDPOINT_SLICE,
    EVENT,
    GATEWAY,
    INGRESS,
    NAMESPACE,
    NATIVE_POLICIES,
    NETWORK_POLICY,
    NODE,
    OWNERS,
    POD,
    POD_METRICS,
    POLICIES,
    READ,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    ROOT_CERTIFICATE,
    ROUTES,
    SERVICE,
    STATEFUL_SET,
    WORKLOADS,
)
from kubectl_netdoc.records.label_selector import selects
from kubectl_netdoc.records.logs import DnsLog
from kubectl_netdoc.records.nodes import DRAINED_BY_AUTOSCALER, EKS_COMPUTE_TYPE, ZONE, Node
from kubectl_netdoc.records.pods import Container, ContainerStatus, Pod
from kubectl_netdoc.records.python_images import registry_of
from kubectl_netdoc.records.service_mesh import PEER_AUTHENTICATION
from kubectl_netdoc.records.services import Endpoint, EndpointSlice, Service, ServicePort
from kubectl_netdoc.records.workloads import Workload
from kubectl_netdoc.remediation import patches
from kubectl_netdoc.remediation.commands import BRIDGE_TO_IPTABLES, Risk, on_node, shell_word
from kubectl_netdoc.remediation.patches import selector_patch

__all__ = [
    "ADMIN_NETWORK_POLICY",
    "API_SERVICE",
    "APP_CONFIG",
    "BACKEND_TLS_POLICY",
    "BASELINE_ADMIN_NETWORK_POLICY",
    "BRIDGE_TO_IPTABLES",
    "CALICO_INSTALLATION",
    "CALICO_POOL",
    "CALICO_RESERVATION",
    "CAME_THROUGH",
    "CA_CERTIFICATES",
    "COREFILE",
    "DAEMON_SET",
    "DEFINITION",
    "DEPLOYMENT",
    "DNS_LOG",
    "DRAINED_BY_AUTOSCALER",
    "ECHO_PORTS",
    "EKS_COMPUTE_TYPE",
    "ENDPOINT_SLICE",
    "EVENT",
    "GATEWAY",
    "GATEWAY_CLASS",
    "INGRESS",
    "INGRESS_CLASS",
    "JOINING",
    "LISTENER_SETS",
    "METALLB_L2",
    "MOST_CONFIGS",
    "MUTATING_WEBHOOKS",
    "NAMESPACE",
    "NATIVE_POLICIES",
    "NETWORK_AGENT",
    "NETWORK_KINDS",
    "NETWORK_POLICY",
    "NODE",
    "OWNERS",
    "PEER_AUTHENTICATION",
    "POD",
    "POD_METRICS",
    "POLICIES",
    "READ",
    "REFERENCE_GRANT",
    "REPLICATION_CONTROLLER",
    "REPLICA_SET",
    "ROOT_CERTIFICATE",
    "ROUTES",
    "SERVICE",
    "SETTLING",
    "STATEFUL_SET",
    "TLS_SECRET",
    "UPSTREAM",
    "VALIDATING_WEBHOOKS",
    "WORKLOADS",
    "ZONE",
    "Address",
    "AppConfig",
    "BackendTLSPolicy",
    "BridgePort",
    "Burst",
    "BurstReply",
    "Called",
    "CalledService",
    "Canary",
    "CanaryReply",
    "CanaryTrial",
    "Cause",
    "Certificate",
    "CertificateReply",
    "Check",
    "Cluster",
    "CniConfig",
    "CniConfigReply",
    "CniFile",
    "Code",
    "Condition",
    "Connect",
    "ConnectReply",
    "Conntrack",
    "ConntrackReply",
    "Container",
    "ContainerStatus",
    "Corefile",
    "CorefileMap",
    "CorefilePlugin",
    "DnsLog",
    "DnsLookup",
    "DnsReply",
    "DnsSample",
    "Echo",
    "EchoReply",
    "EchoSample",
    "Endpoint",
    "EndpointSlice",
    "Explains",
    "Facts",
    "Failure",
    "Finding",
    "Flow",
    "Forwarding",
    "Gateway",
    "Grant",
    "HttpGet",
    "HttpReply",
    "IPRange",
    "Ingress",
    "IngressPath",
    "Kernel",
    "KernelReply",
    "KernelRoute",
    "Kind",
    "Link",
    "Listener",
    "ListenerSet",
    "Look",
    "Lost",
    "Made",
    "Metrics",
    "Needs",
    "Neighbour",
    "Node",
    "NodePath",
    "NodeRules",
    "NodeRulesReply",
    "ObjectRef",
    "Outcome",
    "OverTime",
    "OverTimeReply",
    "OwnName",
    "OwnService",
    "PathMtu",
    "PathMtuReply",
    "Peer",
    "Place",
    "PlaceOverTime",
    "Pod",
    "PodProblem",
    "PolicyRoute",
    "Queue",
    "Reference",
    "Reply",
    "Request",
    "ResolvConf",
    "ResolvConfNameserver",
    "ResolvConfReply",
    "Risk",
    "Round",
    "Route",
    "Rtnetlink",
    "RtnetlinkReply",
    "Rule",
    "RuleSet",
    "ServerBlock",
    "Service",
    "ServicePort",
    "ServiceRules",
    "ServiceRulesReply",
    "Severity",
    "Skip",
    "Subject",
    "TapReading",
    "Target",
    "Threshold",
    "Tier",
    "TlsCertificate",
    "Trace",
    "TraceReply",
    "Unavailable",
    "Unseen",
    "Vantage",
    "Workload",
    "Wrong",
    "beginning",
    "ca_config_maps",
    "cores",
    "counted",
    "ending",
    "evenly",
    "in_any",
    "ip_address",
    "ip_families",
    "ip_network",
    "ip_range",
    "is_address",
    "is_joining",
    "is_plain",
    "is_range",
    "joined",
    "joining",
    "lasting",
    "left_open",
    "matches",
    "nearest_labels",
    "nearest_name",
    "odd",
    "on_node",
    "patches",
    "percentile",
    "registry_of",
    "sandbox_event",
    "selector_patch",
    "selector_text",
    "selects",
    "set_by_controller",
    "shell_word",
    "some",
    "tls_secrets",
    "typo",
    "zone_and_port",
]
