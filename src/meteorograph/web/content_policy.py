"""The Content-Security-Policy of all answers. Pure."""

from __future__ import annotations


def content_policy(image_origin: str | None = None) -> str:
    """The policy: only our own files, no embedding by other sites, and images of one other origin at most."""
    images = f"img-src 'self' {image_origin}; " if image_origin else ""
    return f"default-src 'self'; {images}frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
