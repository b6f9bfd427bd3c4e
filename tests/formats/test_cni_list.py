# SPDX-License-Identifier: Apache-2.0
"""CNI configuration lists that a runtime takes, and those that it does not."""

import pytest

from kubectl_netdoc.formats.cni_list import problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"name": "cbr0", "cniVersion": "0.3.1", "plugins": [{"type": "flannel"}, {"type": "portmap"}]}', ""),
        ('{"name": "cbr0", "plugins": [{"type": "flannel"}', "not JSON"),
        ("[]", "not a JSON object"),
        ('{"plugins": [{"type": "flannel"}]}', "no name"),
        ('{"name": "cbr0"}', "missing or empty"),
        ('{"name": "cbr0", "plugins": []}', "missing or empty"),
        ('{"name": "cbr0", "plugins": [{"type": "flannel"}, {"tpye": "portmap"}]}', "plugin 2 of 2 has no type"),
    ],
)
def test_a_list_is_taken_or_not(text: str, said: str) -> None:
    """What libcni refuses is named, and only that."""
    found = problem(text)
    assert said in found if said else not found
