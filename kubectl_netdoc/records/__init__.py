# SPDX-License-Identifier: Apache-2.0
"""What netdoc reads of each kind of the Kubernetes API, and no more."""
