"""The settings that are derived from the registry of providers and the table of quantities."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, SecretStr

from ..model.quantities import QUANTITIES
from ..providers.registry import BROKEN, PROVIDERS
from .sources import strip_invisible, strip_quotes


def split_names(value: object) -> object:
    """Split a text at its commas, without quotes around a part; a value of another type is not changed."""
    return [name for part in value.split(",") if (name := strip_quotes(part).strip())] if isinstance(value, str) else value


def require_known(names: list[str]) -> list[str]:
    """Check that each name is that of a provider.

    Raises:
        ValueError: A name is unknown; the message says what is allowed.
    """
    for name in names:
        if name not in PROVIDERS:
            why = f"; {BROKEN[name]}" if name in BROKEN else ""
            raise ValueError(f"one or more of {', '.join(PROVIDERS)}, separated by commas{why}")
    return names


def require_history(names: list[str]) -> list[str]:
    """Check that each name is that of a provider with a history.

    Raises:
        ValueError: A name is not; the message says what is allowed.
    """
    with_history = [name for name, provider in PROVIDERS.items() if provider.history]
    for name in names:
        if name not in with_history:
            raise ValueError(f"one or more of the providers with a history, {', '.join(with_history)}, separated by commas")
    return names


#: A key of printable ASCII, or nothing. A quote at one end is the remains of a wrongly copied or quoted text.
_KEY: Final = re.compile(r"""(?!["'`])[ -~]*(?<!["'`])""")


def _stripped(key: SecretStr | None) -> SecretStr | None:
    text = strip_invisible(key.get_secret_value()) if key else ""
    if not _KEY.fullmatch(text):
        raise ValueError("a key of printable ASCII characters, without a quote at one end")
    return SecretStr(text) if text else None


def _address(value: str) -> str:
    if not re.fullmatch(r"https?://([^\s/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[^\s?#]*)?", value):
        raise ValueError("an http:// or https:// address without a query, a fragment or a password")
    return value.rstrip("/")


#: The quantities of the setting; precipitation has its own setting, and its snow comes with it.
_QUANTITIES: Final = tuple(quantity.name for quantity in QUANTITIES if not quantity.is_amount)

BaseUrl = Annotated[str, AfterValidator(_address)]
_Limit = Annotated[int, Field(ge=1)]

#: Account → prefix of its settings, its quota windows, and the time zone of its calendar windows.
ACCOUNTS: Final = {
    provider.name: (provider.setting, provider.windows, provider.quota_zone) for provider in PROVIDERS.values()
} | {
    history.account: (history.setting or provider.setting, history.windows, provider.quota_zone)
    for provider in PROVIDERS.values()
    for history in provider.history
    if history.account != provider.name
}


def provider_fields() -> Iterator[tuple[str, Any]]:
    """Name and definition of each provider setting: keys, addresses, and calls per quota window."""
    for provider in PROVIDERS.values():
        if provider.key_setting:
            key_type = Annotated[SecretStr | None, Field(validation_alias=provider.key_setting), AfterValidator(_stripped)]
            yield provider.key_setting.lower(), (key_type, None)
        yield f"{provider.setting.lower()}_base_url", (BaseUrl, provider.base_url)
        for history in provider.history:
            if history.setting and history.base_url:
                yield f"{history.setting.lower()}_base_url", (BaseUrl, history.base_url)
    for setting, windows, _ in ACCOUNTS.values():
        for window, limit in windows.items():
            yield f"{setting.lower()}_calls_per_{window}", (_Limit, limit)


def parse_quantity_providers(value: object) -> object:
    """Parse ``pressure=metar,openweathermap; wind_gust=`` into quantity → providers; a value of another type is not changed.

    Raises:
        ValueError: The text has another form, or an unknown name.
    """
    if not isinstance(value, str):
        return value
    providers: dict[str, list[str]] = {}
    for part in filter(None, (part.strip() for part in value.split(";"))):
        quantity, equals, names = (word.strip() for word in part.partition("="))
        if not equals or quantity not in _QUANTITIES or quantity in providers:
            raise ValueError(f"quantity=provider,provider; … with each quantity once, of {', '.join(_QUANTITIES)}")
        providers[quantity] = require_known([name.strip() for name in names.split(",") if name.strip()])
    return providers
