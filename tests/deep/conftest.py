"""Each test tries its networks anew."""

import sys

import pytest


@pytest.fixture(autouse=True)
def no_known_plans():
    module = sys.modules.get("sktransfer.deep.frozen._known_plans")
    if module is not None:
        module.known_plans.clear()
