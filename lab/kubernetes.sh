# SPDX-License-Identifier: Apache-2.0
# KUBERNETES=1.31: another minor version than the usual one, with the CoreDNS that its kubeadm installs and the flannel of its time. Sourced by lab/lab.
# Of CoreDNS 1.11.1, which 1.31's kubeadm installs, a module is no longer served (inet.af/netaddr, 30 November 2026): 1.11.3 is in its place.
# A patch version counts only where each module of its staging area is served: of 1.31.14 and 1.32.13 one is not (July to November 2026).
# shellcheck shell=bash disable=SC2034,SC2154

usual=${kube#v} usual=${usual%.*}
case ${KUBERNETES:-$usual} in
  "$usual") return ;;
  1.31) kube=v1.31.0 coredns=v1.11.3 flannel=v0.28.4 ;;
  1.32) kube=v1.32.2 coredns=v1.11.3 flannel=v0.28.4 ;;
  1.33) kube=v1.33.13 coredns=v1.12.0 flannel=v0.28.4 ;;
  1.34) kube=v1.34.4 coredns=v1.12.1 flannel=v0.28.4 ;;
  1.35) kube=v1.35.4 coredns=v1.13.1 flannel=v0.28.4 ;;
  1.36) kube=v1.36.3 coredns=v1.14.2 flannel=v0.28.10 ;;
  *) echo "lab: no Kubernetes $KUBERNETES: there are 1.31, 1.32, 1.33, 1.34, 1.35, 1.36 and $usual" >&2; exit 2 ;;
esac
kubernetes=$KUBERNETES kube_staging=v0.${kube#v1.} stock_node=docker.io/kindest/node:$kube
