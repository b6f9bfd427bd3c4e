# SPDX-License-Identifier: Apache-2.0
"""The commands that look at kube-controller-manager, whose controllers create pods, EndpointSlices and addresses of nodes.

They use kubeadm's selector; ``command_selectors`` replaces it by the one of this cluster.
"""

SELECTOR = "component=kube-controller-manager"
PODS = f"kubectl -n kube-system get pods -o wide -l {SELECTOR}"
LOGS = f"kubectl -n kube-system logs --tail=20 -l {SELECTOR}"
