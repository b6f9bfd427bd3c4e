# SPDX-License-Identifier: Apache-2.0
"""The hops "entry", "service", "proxy" and "endpoints": from the Service to its pods."""

from __future__ import annotations

from shlex import quote

from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.reachability.explanation import Answer, Fix, Hop
from kubectl_netdoc.reachability.hops.context import SHOWN, HopContext
from kubectl_netdoc.reachability.path_measurements import ConnectAttempts
from kubectl_netdoc.reachability.translation import numbers
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE
from kubectl_netdoc.records.services import Service, ServicePort


class ServiceHops(HopContext):
    """The Service, the translation of its address, and its endpoints."""

    def _entry(self, service: Service) -> Hop:
        """Explain the entry to the cluster by the Service's fields; load balancers themselves can't be seen."""
        given = ", ".join(filter(None, (item.ip or item.hostname for item in service.status.load_balancer.ingress)))
        numbers = ", ".join(str(port.node_port) for port in service.spec.ports if port.node_port)
        name = f"Service {service.namespace}/{service.name}"
        if not given and not numbers:
            on_own = "not reachable from outside, unless something routes to it" if service.spec.cluster_ip else "not set"
            return Hop("entry", Answer.UNKNOWN, f"{name} has no load balancer and no node port: its address is {on_own}")
        text = f"{name}: load balancer {given or 'none'}, node ports {numbers or 'none'}"
        return Hop("entry", Answer.NOTE, f"{text}; what lies between that and the nodes is not checked")

    def _service(self) -> Hop:
        service = self.destination.service
        if service is None or service.spec.external_name:
            other = service.spec.external_name if service else ""
            if self.destination.missing:
                text = f"{self.destination.text} is an alias of {self.destination.missing}, and no such Service was found"
                return Hop("service", Answer.UNKNOWN, text)
            return Hop("service", Answer.OK, f"{self.destination.text} is an alias of {other}")
        where = "headless" if service.headless else service.spec.cluster_ip or service.spec.type
        where += f", written {service.spec.written[0]}" if service.spec.written else ""
        text = f"{self.destination.text} ({where}): {self.mapping}"
        if not self.asked and not service.spec.selector:
            return Hop("service", Answer.UNKNOWN, f"{text}; it has no selector, and it is not known what writes its endpoints")
        if not self.asked and not self._unseen():
            fix = Fix(
                f"No pod behind {self.destination.text} declares that port name. Name the port in the pods, or use its "
                "number in the Service.",
                command=f"kubectl netdoc check service_config -n {quote(service.namespace)}",
            )
            return self._stop("service", f"{text}, which no pod has", fix)
        if service.headless and self.question.port.isdigit():
            port, tells = self.question.port, {number for p in service.spec.ports for number in self._leads(p)}
            if tells and int(port) not in tells:
                text += (
                    f"; its SRV records name {', '.join(map(str, sorted(tells)))}, so it is not known whether pods listen "
                    f"on {port}"
                )
                return Hop("service", Answer.UNKNOWN, text)
        return Hop("service", Answer.OK if self.asked else Answer.UNKNOWN, text)

    def _leads(self, entry: ServicePort) -> set[int]:
        same = entry.protocol == self.question.protocol
        return numbers(self.engine, self.destination, entry) if same else set()

    def _unseen(self) -> bool:
        """Tell whether the pods of the Service may exist although they are not in the given manifests."""
        return self.engine.cluster.origin == "manifests" and not self.destination.ends

    def _proxy(self) -> Hop:
        """Explain the translation of the Service address by kube-proxy, or its replacement, on the source's nodes."""
        tries = [pair for node in self.nodes for pair in self.measured.front(node)]
        on = f"on node {', '.join(self.nodes[:SHOWN])}" if self.nodes else "on the source's node"
        text = f"kube-proxy, or its replacement, {on}"
        if not tries:
            return Hop("proxy", Answer.NOTE, f"{text}: {self._not_measured()}")
        works = any(reply.outcome is Outcome.OK for _, reply in tries)
        answer = Answer.OK if works else Answer.NOTE if self._behind(tries) else Answer.UNKNOWN
        return Hop("proxy", answer, text, measured=tuple(self.measured.in_words(tries[:SHOWN])))

    def _behind(self, tries: ConnectAttempts) -> bool:
        """Tell whether connections to the Service fail like those to its endpoints, or say nothing about the source."""
        direct = [pair for a, b in self.path.legs for pair in self.measured.direct(a.node, b)]
        same = {reply.outcome for _, reply in direct} & {reply.outcome for _, reply in tries}
        return bool(same) or not any(map(self.measured.stands_for, self.path.legs))

    def _endpoints(self) -> Hop:
        service, cluster = self.destination.service, self.engine.cluster
        slices = cluster.slices_of(service) if service is not None and cluster.readable(ENDPOINT_SLICE) else []
        if service is None or not cluster.readable(ENDPOINT_SLICE) or (cluster.origin == "manifests" and not slices):
            return self._selected()
        endpoints = [e for item in slices for e in item.endpoints]
        ready = [e for e in endpoints if e.conditions.ready]
        if ready and not self.path.legs:
            on = ", ".join(self.nodes)
            fix = Fix(f"With internalTrafficPolicy: Local only endpoints on the source's own node are used, and {on} has none.")
            return self._stop(
                "endpoints",
                f"{len(ready)} of {len(endpoints)} endpoints are ready, but none on {on}, where internalTrafficPolicy: "
                "Local requires one",
                fix,
            )
        if ready:
            seen = [(b, pair) for a, b in self.path.legs for pair in self.measured.direct(a.node, b)]
            worst = sorted(seen, key=lambda each: each[1][1].outcome is Outcome.OK)
            words = tuple(dict.fromkeys(f"{b}, {text}" for b, pair in worst for text in self.measured.in_words([pair])))
            more = (f"and {len(words) - SHOWN} more",) if len(words) > SHOWN else ()
            text = f"{len(ready)} of {len(endpoints)} endpoints are ready"
            return Hop("endpoints", Answer.OK, text if seen else f"{text}; {self._not_measured()}", measured=words[:SHOWN] + more)
        return self._nobody(bool(endpoints))

    def _nobody(self, there: bool) -> Hop:
        service = self.destination.service
        if service is None:
            return Hop("endpoints", Answer.NOTE, "")
        space, selector = quote(service.namespace), ",".join(f"{key}={value}" for key, value in service.spec.selector.items())
        text = "Its selector matches no existing pod."
        if there:
            text = f"None of the pods behind {self.destination.text} is ready."
        elif not selector:
            text = "It has no selector, and no EndpointSlice has been written for it."
        label = quote(f"kubernetes.io/service-name={service.name}")
        look = f"pods -l {quote(selector)}" if selector else f"endpointslices -l {label}"
        count = sum(len(item.endpoints) for item in self.engine.cluster.slices_of(service))
        return self._stop("endpoints", f"none of {count} endpoints is ready", Fix(text, command=f"kubectl -n {space} get {look}"))

    def _selected(self) -> Hop:
        """Explain the endpoints without EndpointSlices, by the selector. Without pods there is no verdict."""
        count = len(self.destination.ends)
        text = f"its selector matches {count} pods or templates; only a cluster shows whether they are ready"
        return Hop("endpoints", Answer.NOTE if count else Answer.UNKNOWN, text)
