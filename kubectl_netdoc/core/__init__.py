# SPDX-License-Identifier: Apache-2.0
"""What every check is given (the cluster, the facts) and what it says (findings), and the words for both."""
