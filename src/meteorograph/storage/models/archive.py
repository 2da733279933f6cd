"""The files of sealed months, and which rows they hold."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class ArchiveFile(Base):
    """A Parquet file with rows of one month (UTC). Only the rows of ``SealedRange`` count; the others are in the database."""

    __tablename__ = "archive_files"

    id: Mapped[int] = mapped_column(primary_key=True)
    #: Name of the file in the folder of the archive.
    name: Mapped[str] = mapped_column(String(100), unique=True)
    #: Start of the month.
    month_at: Mapped[datetime]
    #: Number of rows and of bytes, and the SHA-256 of the file and of its footer. The pages have checksums of their own.
    rows: Mapped[int] = mapped_column(BigInteger, default=0)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    sha256: Mapped[str | None] = mapped_column(String(64))
    footer_sha256: Mapped[str | None] = mapped_column(String(64))
    #: When the file was complete; None while it is written.
    sealed_at: Mapped[datetime | None]
    #: Number of changes to its ranges: a reader compares it before and after.
    changes: Mapped[int] = mapped_column(Integer, server_default="0")
    #: When the last of its rows went back into the database. The file is deleted a day later.
    emptied_at: Mapped[datetime | None]


class SealedRange(Base):
    """Rows of a location that are in a file and no longer in the table: every ``step_seconds`` from the first to the last one."""

    __tablename__ = "sealed_ranges"
    __table_args__ = (Index("ix_sealed_ranges_file", "file_id", "location_id"), {"sqlite_with_rowid": False})

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"), primary_key=True)
    first_at: Mapped[datetime] = mapped_column(primary_key=True)
    file_id: Mapped[int] = mapped_column(ForeignKey("archive_files.id"))
    last_at: Mapped[datetime]
    step_seconds: Mapped[int]
    rows: Mapped[int]
    provider: Mapped[str] = mapped_column(String(64))
    origin: Mapped[str] = mapped_column(String(16))
