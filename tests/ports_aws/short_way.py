"""The table engine, asked by the short way.

Of a call of botocore's, most is the way there: a signature that nobody checks, names of the client, tries, and moto's
look at whether the address is AWS's. What botocore makes of the question and of the answer is its own here too, and so
are the events before and after.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import botocore.handlers
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.parsers import create_parser
from urllib3 import HTTPConnectionPool

_PARSER: Final = create_parser("json")
# The engine wants to see one, whatever it says.
_SIGNED: Final = {
    "Authorization": (
        "AWS4-HMAC-SHA256 Credential=test/20260131/eu-central-1/dynamodb/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=0"
    ),
    "X-Amz-Date": "20260131T080000Z",
}


@contextmanager
def by_the_short_way(endpoint: str) -> Iterator[None]:
    """Every client of tables that is made inside asks the engine there."""
    with HTTPConnectionPool(urlsplit(endpoint).netloc) as engine:

        def ask(model: Any, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
            headers = {**params["headers"], **_SIGNED}
            answer = engine.urlopen("POST", "/", body=params["body"], headers=headers, retries=False)
            known = AWSResponse(endpoint, answer.status, HTTPHeaders.from_pairs(answer.headers.items()), answer)
            return known, _parsed(model, answer)

        seen: Any = ("before-call.dynamodb", ask)
        botocore.handlers.BUILTIN_HANDLERS.append(seen)
        try:
            yield
        finally:
            botocore.handlers.BUILTIN_HANDLERS.remove(seen)


def _parsed(model: Any, answer: Any) -> dict[str, Any]:
    """As botocore does it: an answer first, and what the kind of error has of its own."""
    told = {"headers": answer.headers, "status_code": answer.status, "body": answer.data, "context": {}}
    parsed: dict[str, Any] = _PARSER.parse(told, model.output_shape)
    code = parsed.get("Error", {}).get("Code")
    shape = model.service_model.shape_for_error_code(code) if code else None
    return {**parsed, **_PARSER.parse(told, shape)} if shape else parsed
