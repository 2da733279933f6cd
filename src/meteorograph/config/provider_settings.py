"""The settings that come from the registry of providers and the table of quantities."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, SecretStr

from ..model.quantities import QUANTITIES
from ..providers.registry import BROKEN, PROVIDERS


def split_names(value: object) -> object:
    """The parts of a text between commas; anything else as it came."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def require_known(named: list[str]) -> list[str]:
    """The names, if each is a provider's."""
    for name in named:
        if name not in PROVIDERS:
            why = f"; {BROKEN[name]}" if name in BROKEN else ""
            raise ValueError(f"one or more of {', '.join(PROVIDERS)}, separated by commas{why}")
    return named


def require_history(named: list[str]) -> list[str]:
    """The names, if each is that of a provider with a history."""
    with_history = [name for name, provider in PROVIDERS.items() if provider.history]
    for name in named:
        if name not in with_history:
            raise ValueError(f"one or more of the providers with a history, {', '.join(with_history)}, separated by commas")
    return named


def _stripped(key: SecretStr | None) -> SecretStr | None:
    text = key.get_secret_value().strip() if key else ""
    return SecretStr(text) if text else None


def _address(value: str) -> str:
    if not re.fullmatch(r"https?://([^\s/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[^\s?#]*)?", value):
        raise ValueError("an http:// or https:// address without a query, a fragment or a password")
    return value.rstrip("/")


#: Precipitation has a setting of its own.
_QUANTITIES: Final = tuple(quantity.name for quantity in QUANTITIES if quantity.name != "precipitation")

_Url = Annotated[str, AfterValidator(_address)]
_Limit = Annotated[int, Field(ge=1)]

#: Account → the prefix of its settings, its windows, and the zone of its days.
ACCOUNTS: Final = {
    provider.name: (provider.setting, provider.windows, provider.quota_zone) for provider in PROVIDERS.values()
} | {
    history.account: (history.setting or provider.setting, history.windows, provider.quota_zone)
    for provider in PROVIDERS.values()
    for history in provider.history
    if history.account != provider.name
}


def provider_fields() -> Iterator[tuple[str, Any]]:
    """The settings of each provider: its key, where it is called, and what its accounts may spend."""
    for provider in PROVIDERS.values():
        if provider.key_setting:
            kind = Annotated[SecretStr | None, Field(validation_alias=provider.key_setting), AfterValidator(_stripped)]
            yield provider.key_setting.lower(), (kind, None)
        yield f"{provider.setting.lower()}_base_url", (_Url, provider.base_url)
        for history in provider.history:
            if history.setting and history.base_url:
                yield f"{history.setting.lower()}_base_url", (_Url, history.base_url)
    for setting, windows, _ in ACCOUNTS.values():
        for window, limit in windows.items():
            yield f"{setting.lower()}_calls_per_{window}", (_Limit, limit)


def parse_quantity_providers(value: object) -> object:
    """Quantity → providers in order, from ``pressure=metar,openweathermap; wind_gust=``; anything else as it came.

    Raises:
        ValueError: It is not of that form, or names what there is not.
    """
    if not isinstance(value, str):
        return value
    found: dict[str, list[str]] = {}
    for part in filter(None, (part.strip() for part in value.split(";"))):
        quantity, equals, listed = (word.strip() for word in part.partition("="))
        if not equals or quantity not in _QUANTITIES or quantity in found:
            raise ValueError(f"quantity=provider,provider; … with each quantity once, of {', '.join(_QUANTITIES)}")
        found[quantity] = require_known([name.strip() for name in listed.split(",") if name.strip()])
    return found
