"""Answers of the geocoder, which are asked for once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class GeocoderAnswer(Base):
    """An answer with places, as its bytes were."""

    __tablename__ = "geocoder_answers"

    #: The address of the request.
    url: Mapped[str] = mapped_column(String(1000), primary_key=True)
    body: Mapped[str] = mapped_column(Text)
    fetched_at: Mapped[datetime]
