# SPDX-License-Identifier: Apache-2.0
"""Debug pods: manifests, life and state."""
