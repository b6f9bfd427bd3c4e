# SPDX-License-Identifier: Apache-2.0
"""What of cilium-config decides about policies."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.cni.base import yes


class Settings(Struct, frozen=True):
    """What of cilium-config decides about policies; ``values`` is None where it can't be read."""

    values: dict[str, str] | None = None

    def _get(self, name: str, default: str = "") -> str | None:
        return None if self.values is None else self.values.get(name, default)

    def off(self, name: str) -> bool:
        """Tell whether something that is off by default is known to be off."""
        value = self._get(name)
        return value is not None and not yes(value)

    @property
    def ranges_match_nodes(self) -> bool | None:
        """Whether ranges of addresses match nodes; None if that is not known."""
        mode = self._get("policy-cidr-match-mode")
        return None if mode is None else "nodes" in mode

    @property
    def cluster_name(self) -> str | None:
        """The cluster's own name, as a label of pods; None if it is not known."""
        return self._get("cluster-name", "default")

    @property
    def always(self) -> bool:
        """Whether all pods are isolated, those that no policy selects too."""
        return self._get("enable-policy") == "always"

    @property
    def own_node_let_in(self) -> bool:
        """Whether a pod's own node is let in whatever policies allow."""
        return self._get("allow-localhost") != "policy"

    @property
    def own_labels(self) -> bool:
        """Whether somebody has chosen the labels that count."""
        return bool(self._get("labels"))

    @property
    def always_isolates(self) -> bool:
        """Whether enableDefaultDeny is not heeded."""
        return self._get("enable-non-default-deny-policies", "true") == "false"
