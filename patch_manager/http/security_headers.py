"""Headers that tell browsers what our pages never do (TRUST 17, ASVS 3.4)."""

from __future__ import annotations

from patch_manager.http.call import call

SECURITY_HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
"""On every answer. The policy here is that of answers that are no page: they load nothing."""

_ENCODED = tuple((name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items())


def with_security_headers(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """An answer's headers and those of `SECURITY_HEADERS` that it does not set itself, and the request's id."""
    given = {name.lower() for name, _ in headers}
    added = [pair for pair in _ENCODED if pair[0] not in given]
    return [*headers, *added, (b"x-request-id", call().request_id.encode())]


def page_policy(nonce: str) -> str:
    """The policy of a page: our own files only; the one inline thing is the style element that carries the nonce."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' 'nonce-{nonce}'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )
