"""What the providers have and the simulator does not: refused with 501, so that no client takes it for an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Starts of the paths of the providers' other services.
_OTHER_SERVICES = (
    *("/data/2.5/air_pollution", "/data/2.5/box/", "/data/2.5/find", "/data/2.5/forecast/", "/data/2.5/group"),
    *("/data/2.5/history", "/data/2.5/onecall", "/data/2.5/uvi", "/data/3.0/onecall/", "/data/4.0/onecall/", "/geo/1.0/"),
    *("/v1/air-quality", "/v1/elevation", "/v1/ensemble", "/v1/flood", "/v1/marine", "/v1/search", "/v1/seasonal"),
    *("/weatherapi/", "/api/data/", "/alerts", "/gridpoints/", "/stations", "/zones/", "/products", "/offices/"),
)


class NotSimulatedError(Exception):
    """The provider has it, the simulator does not; the text says what."""


def refuse_service(path: str) -> None:
    """Check that a path is none of a service that is not simulated.

    Raises:
        NotSimulatedError: It is.
    """
    if path.startswith(_OTHER_SERVICES):
        raise NotSimulatedError(f"the service {path}")


def refuse_values(query: Mapping[str, str], **simulated: tuple[str, ...]) -> None:
    """Check that each of the parameters has one of the simulated values, if the query has it.

    Raises:
        NotSimulatedError: It has another value.
    """
    for name, values in simulated.items():
        if query.get(name, "") not in ("", *values):
            raise NotSimulatedError(f"{name}={query[name]}")


def body(error: NotSimulatedError) -> dict[str, Any]:
    """A body that clients of all providers read as an error."""
    reason = f"The simulator does not simulate {error}."
    return {
        "cod": 501,
        "message": reason,
        "error": True,
        "reason": reason,
        "status": 501,
        "title": "Not Implemented",
        "detail": reason,
    }
