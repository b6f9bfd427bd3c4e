# SPDX-License-Identifier: Apache-2.0
# KUBERNETES=1.31: another minor version than the usual one, and what it wants besides node/build. Sourced by lab/lab.
# A patch version counts only where each module of its staging area is served: of 1.31.14 and 1.32.13 one is not (July to November 2026).
# CoreDNS and pause stay those of the usual version, under the names that kubeadm looks for.
# shellcheck shell=bash disable=SC2034,SC2154

usual=${kube#v} usual=${usual%.*}
case ${KUBERNETES:-$usual} in
  "$usual") return ;;
  1.31) kube=v1.31.0 ;;
  1.32) kube=v1.32.2 ;;
  1.33) kube=v1.33.13 ;;
  1.35) kube=v1.35.4 ;;
  1.36) kube=v1.36.3 ;;
  *) echo "lab: no Kubernetes $KUBERNETES: there are 1.31, 1.32, 1.33, $usual, 1.35 and 1.36" >&2; exit 2 ;;
esac
kubernetes=$KUBERNETES kube_staging=v0.${kube#v1.} stock_node=docker.io/kindest/node:$kube

# From 1.35 on the kubelet does not start on cgroup v1 unless it is told to. kind skips kubeadm's preflight, which would say so too.
kubernetes_kind() {
  case $kubernetes in
    1.3[1-4]) ;;
    *) echo "kubeadmConfigPatches: ['{\"kind\": \"KubeletConfiguration\", \"apiVersion\": \"kubelet.config.k8s.io/v1beta1\", \"failCgroupV1\": false}']" ;;
  esac
}

# name_images IMAGE...: what kubeadm of this version looks for, where it is another name of what was built
name_images() {
  local wanted
  for wanted; do
    case $wanted in
      */coredns:*) docker tag "registry.k8s.io/coredns/coredns:$coredns" "$wanted" ;;
      */pause:*) docker tag "registry.k8s.io/pause:$pause" "$wanted" ;;
    esac
  done
}
