"""The secret that a deployment makes, read from Secrets Manager by whoever needs it first."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final

import botocore.session
from botocore.config import Config

from chalicelib.kernel.errors import Unavailable

from .clients import translated

_CONFIG: Final = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 4, "mode": "standard"})


def read_secrets(name: str) -> Mapping[str, str]:
    """name   or ARN of the secret. Raises Unavailable."""
    session = botocore.session.get_session()
    client: Any = session.create_client("secretsmanager", region_name=os.environ.get("AWS_REGION"), config=_CONFIG)
    with translated("the store of secrets", lambda code: None):
        try:
            text = client.get_secret_value(SecretId=name)["SecretString"]
        finally:
            client.close()
    return parsed(text)


def parsed(text: str) -> Mapping[str, str]:
    """What the secret holds. Raises Unavailable."""
    try:
        return {str(key): str(value) for key, value in json.loads(text).items()}
    except (ValueError, AttributeError) as broken:
        raise Unavailable("the secret of this service is not a JSON object") from broken
