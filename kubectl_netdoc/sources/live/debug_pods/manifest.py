# SPDX-License-Identifier: Apache-2.0
"""The manifests of what a run creates: namespace, debug pods, Services, and the canary's policy."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from kubectl_netdoc import agent
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.measurements.base import OwnService
from kubectl_netdoc.measurements.bench import BENCH_PORT
from kubectl_netdoc.measurements.connect import ECHO_PORTS
from kubectl_netdoc.sources.live.debug_pods.status import DebugPod
from kubectl_netdoc.sources.live.decoding import OURS, OWNER
from kubectl_netdoc.sources.live.pod_settings import PodSettings

RUN = "netdoc/run"
ROLE = "netdoc/role"
CANARY = "netdoc/canary"
BENCH = "netdoc/bench"
EXPIRES = "netdoc/expires"

CNI = "/etc/cni/net.d"
"""Where container runtimes look for CNI configuration by default (k3s configures another directory)."""

NOBODY = 65534
"""The user that debug pods run as, unless the cluster assigns user ids itself: an image's own user may be root."""

ECHO_PORT = ECHO_PORTS.start
"""TCP and UDP; the next port is left closed, as a control. Registered to nobody (IANA) and below the ephemeral range."""

EXTRA_PORTS = 6
"""Ports of the control Service besides the two of the echo: its SRV answer takes some 900 bytes."""

MARGIN = 30
"""Seconds after the run's time limit at which a pod ends by itself and leftovers may be cleaned up."""

NO_MESH = {"istio.io/dataplane-mode": "none", "sidecar.istio.io/inject": "false"}
"""Labels that keep Istio away."""


class Manifests(Struct, frozen=True):
    """The manifests of one run. ``run_id`` is part of every name and label; ``expires``: when leftovers may be cleaned up."""

    settings: PodSettings
    run_id: str
    expires: str

    def metadata(self, name: str) -> dict[str, Any]:
        """Return the metadata of every object of the run."""
        labels = {**self.settings.labels, OWNER: OURS, RUN: self.run_id, **NO_MESH}
        return {"name": name, "labels": labels, "annotations": {EXPIRES: self.expires}}

    def namespace(self, name: str, pod_security: str) -> dict[str, Any]:
        """Return the namespace of one run. ``pod_security``: the level that it enforces."""
        metadata = self.metadata(name)
        metadata["labels"] |= {"pod-security.kubernetes.io/enforce": pod_security, "istio-injection": "disabled"}
        return {"metadata": metadata}

    def service_name(self, place: OwnService) -> str:
        """Return the name of one of the run's Services."""
        kinds = {"-empty": place.empty, "-sticky": place.sticky, "-bench": place.bench}
        return f"netdoc-{self.run_id}" + next((word for word, is_one in kinds.items() if is_one), "")

    def service(self, place: OwnService) -> dict[str, Any]:
        """Return the Service in front of all echo servers, a benchmark's in front of one pod, or the control without an endpoint.

        The control has many ports, so that the answer with all its SRV records does not fit into 512 bytes.
        """
        port = BENCH_PORT if place.bench else ECHO_PORT
        ports = [{"name": p.lower(), "port": port, "protocol": p} for p in ("TCP", "UDP")]
        if place.empty:
            ports += [{"name": f"unused-{n}", "port": ECHO_PORT + n, "protocol": "TCP"} for n in range(1, EXTRA_PORTS + 1)]
        # Endpoints must not wait for the readiness probe, which is a measurement itself.
        spec: dict[str, Any] = {"selector": {RUN: "nobody" if place.empty else self.run_id, ROLE: "echo"}, "ports": ports}
        spec |= {"publishNotReadyAddresses": True, "ipFamilyPolicy": "PreferDualStack"}
        if place.sticky:
            spec["sessionAffinity"] = "ClientIP"
        if place.bench:
            spec |= {"type": "NodePort", "selector": {BENCH: self.run_id}}
        return {"metadata": self.metadata(self.service_name(place)), "spec": spec}

    @property
    def policy_name(self) -> str:
        """The name of the canary's policy."""
        return f"netdoc-{self.run_id}-canary"

    def policy(self) -> dict[str, Any]:
        """Return the policy that denies the canary pods everything and selects nothing else."""
        spec = {"podSelector": {"matchLabels": {CANARY: self.run_id}}, "policyTypes": ["Ingress", "Egress"]}
        metadata = self.metadata(self.policy_name)
        return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}

    def pod(self, pod: DebugPod, any_user: bool = False) -> dict[str, Any]:
        """Return the pod. It meets Pod Security *restricted*, has no token, stays out of service meshes, and ends by itself.

        A pod on the host network meets *privileged* only, because of that network; only ``--privileged`` gives it more rights.
        ``any_user``: let the cluster choose the user that the pod runs as.
        """
        metadata = self.metadata(pod.name)
        metadata["labels"] |= {CANARY: self.run_id} if pod.canary else {ROLE: "host" if pod.host else "echo"}
        metadata["labels"] |= {BENCH: self.run_id} if pod.bench else {}
        metadata["annotations"] |= {"linkerd.io/inject": "disabled", "cluster-autoscaler.kubernetes.io/safe-to-evict": "true"}
        spec: dict[str, Any] = {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": int(self.settings.timeout + MARGIN),
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {
                "runAsNonRoot": True,
                **({} if any_user else {"runAsUser": NOBODY, "runAsGroup": NOBODY}),
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [self._container(pod)],
        }
        if pod.host:
            self._on_host(spec)
        if pod.node:
            spec["nodeName"] = pod.node
        if self.settings.pull_secret:
            spec["imagePullSecrets"] = [{"name": self.settings.pull_secret}]
        return {"metadata": metadata, "spec": spec}

    def _container(self, pod: DebugPod) -> dict[str, Any]:
        return {
            "name": "agent",
            "image": self.settings.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python3", "-c", agent.echo_source(), pod.nonce, pod.name, str(ECHO_PORT)],
            "readinessProbe": {"tcpSocket": {"port": ECHO_PORT}, "periodSeconds": 1, "failureThreshold": 1},
            "resources": {
                "requests": {"cpu": "10m", "memory": "32Mi", **self.settings.requests},
                "limits": {"cpu": "1", "memory": "128Mi", **self.settings.limits},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            },
        }

    def _on_host(self, spec: dict[str, Any]) -> None:
        """Put a pod on the host network. It runs no echo server, which would listen on the node's own addresses."""
        container = spec["containers"][0]
        seconds = spec["activeDeadlineSeconds"]
        container["command"] = ["python3", "-c", f"import time; time.sleep({seconds})"]
        del container["readinessProbe"]
        spec |= {"hostNetwork": True, "dnsPolicy": "Default"}
        # The group of root may read the tracked flows, if the kernel shows them.
        spec["securityContext"]["runAsGroup"] = 0
        if self.settings.tier is Tier.PRIVILEGED:
            spec["securityContext"] |= {"runAsNonRoot": False, "runAsUser": 0}
            container["securityContext"]["capabilities"]["add"] = ["NET_ADMIN", "NET_RAW"]
            container["volumeMounts"] = [{"name": "cni", "mountPath": CNI, "readOnly": True}]
            spec["volumes"] = [{"name": "cni", "hostPath": {"path": CNI}}]
