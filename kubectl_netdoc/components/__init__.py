# SPDX-License-Identifier: Apache-2.0
"""The parts of a cluster's network that several checks look at: cluster DNS, kube-proxy, ingress, load balancers, meshes."""
