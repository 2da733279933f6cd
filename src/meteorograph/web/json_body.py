"""The JSON body of a request that changes something."""

from __future__ import annotations

from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from ..errors import BadInputError


def json_body() -> dict[str, Any]:
    """The body of the request, which must be a JSON object.

    Raises:
        BadInputError: The body is not a JSON object.
        UnsupportedMediaType: It is not sent as JSON. A page of another site can send a form, but not JSON.
    """
    if not request.is_json:
        raise UnsupportedMediaType("The body must be JSON, sent as 'Content-Type: application/json'.")
    try:
        body = request.get_json()
    except (BadRequest, RecursionError):
        raise BadInputError("body", request.get_data().decode(errors="replace"), "must be JSON") from None
    if not isinstance(body, dict):
        raise BadInputError("body", body, "must be a JSON object")
    return body
