# SPDX-License-Identifier: Apache-2.0
"""What comes in from outside: Ingress, the Gateway API, their controllers and certificates."""
