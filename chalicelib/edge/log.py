"""The service's log: one JSON object a line on stderr. Event texts and keys are constant and in lower case."""

from __future__ import annotations

import sys
from typing import Final

from aws_lambda_powertools import Logger

logger: Final = Logger(service="crs", stream=sys.stderr, serialize_stacktrace=False)
