# SPDX-License-Identifier: Apache-2.0
"""What lies around the network: the control plane's paths, netdoc's own pods, meshes, placement."""
