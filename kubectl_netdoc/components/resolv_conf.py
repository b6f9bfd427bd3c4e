# SPDX-License-Identifier: Apache-2.0
"""The limits of a pod's resolv.conf: what the kubelet writes into it, and what the resolvers of glibc and musl read of it."""

from __future__ import annotations

NDOTS = 5
"""The option ndots that the kubelet writes (pkg/kubelet/network/dns: defaultDNSOptions)."""

MOST_NAMESERVERS = 3
"""MAXNS of glibc and musl; the kubelet's limit too (validation.MaxDNSNameservers)."""

MOST_DOMAINS, MOST_CHARACTERS = 32, 2048
"""The kubelet's limits of a search line (validation.MaxDNSSearchPaths, MaxDNSSearchListChars)."""

DOMAIN_LENGTH = 253
"""Characters of one search domain at most, as of any DNS name (RFC 1123 as Kubernetes has it: DNS1123SubdomainMaxLength)."""

MUSL_LINE = 254
"""Characters of a line that musl reads; it ignores a longer one (resolvconf.c: char line[256])."""
