from __future__ import annotations

import pytest

from chalicelib.instances.models import Instance
from chalicelib.ports.stack import Stack
from tests.management import Api
from tests.stacks import make_instance


@pytest.fixture
def instance(stack: Stack) -> Instance:
    return make_instance(stack)


@pytest.fixture
def api(stack: Stack, instance: Instance) -> Api:
    return Api.signed_in(stack)
