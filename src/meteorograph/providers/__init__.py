"""The providers, one module or small package each. Pure. Plug-ins may import the definition of a provider from here."""

from __future__ import annotations

from .base import History, Page, Provider, Stations

__all__ = ["History", "Page", "Provider", "Stations"]
