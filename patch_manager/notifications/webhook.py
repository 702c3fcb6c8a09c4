"""One POST to a webhook: bounded in time and size, no redirects, no proxies, the certificate verified."""

from __future__ import annotations

import ssl
from typing import Final
from urllib.parse import urlsplit

import h11
import trio

from patch_manager import __version__
from patch_manager.domain.notifications import WebhookSettings
from patch_manager.notifications.formats import Post
from patch_manager.notifications.reaching import NotSent, Reach, in_words, redacted
from patch_manager.notifications.wording import one_line

SECONDS: Final = 15.0
_CONNECT_SECONDS: Final = 6.0
_READ_SIZE: Final = 16_384
_LONGEST_HEAD: Final = 32_768
_LONGEST_EXCERPT: Final = 2_000
_INTERIM: Final = 8

_ADVICE: Final = {
    400: "it does not take this format: check the channel's format",
    401: "check the token",
    403: "the token or the address has no right to write there",
    404: "there is no such webhook: make a new one and enter its address",
    405: "it takes no POST: check the address",
    408: "it was too slow, and is tried again",
    410: "the webhook was removed: make a new one and enter its address",
    413: "the message is too large for it",
    429: "too many messages at once, tried again later",
}


async def send(settings: WebhookSettings, post: Post, reach: Reach, *, seconds: float = SECONDS) -> str:
    """Send and read the answer; what it said, when it took the message.

    Raises `NotSent` in words without secrets.
    """
    parts = urlsplit(post.url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    secrets = (
        settings.url,
        parts.path.strip("/"),
        parts.query,
        settings.bearer_token,
        settings.signing_secret,
        *(value for _, value in settings.headers),
    )
    stream: trio.abc.Stream | None = None
    try:
        with trio.fail_after(seconds):
            addresses = await reach.addresses(host, port)
            stream = await _connect(addresses, host, port, reach.tls if secure else None)
            status, retry_after, excerpt = await _exchange(stream, _request(post, parts.netloc), post)
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
        cause = error.__cause__ if isinstance(error, trio.BrokenResourceError) and error.__cause__ else error
        raise NotSent(redacted(in_words(cause, host, port, seconds), secrets)) from None
    except h11.ProtocolError:
        raise NotSent(f"{host}:{port} does not answer in HTTP: check address and port") from None
    finally:
        if stream is not None:
            await trio.aclose_forcefully(stream)
    if 200 <= status <= 299:
        return f"{host} took it ({status})"
    if 300 <= status <= 399:
        raise NotSent(f"{host} answered {status}, a redirect, and those are not followed: enter the final address")
    advice = _ADVICE.get(status, "its own error, tried again" if status >= 500 else "check address and format")
    said = one_line(redacted(excerpt, secrets), 200).strip()
    raise NotSent(f"{host} answered {status}: {advice}{f' (it says: {said})' if said else ''}", retry_after)


async def _connect(addresses: tuple[str, ...], host: str, port: int, tls: ssl.SSLContext | None) -> trio.abc.Stream:
    """A connection to the first address that answers. Raises the last one's error."""
    last: Exception = OSError("no address")
    for address in addresses:
        family = trio.socket.AF_INET6 if ":" in address else trio.socket.AF_INET
        sock = trio.socket.socket(family, trio.socket.SOCK_STREAM)
        try:
            with trio.fail_after(_CONNECT_SECONDS):
                await sock.connect((address, port))
                if tls is None:
                    return trio.SocketStream(sock)
                stream = trio.SSLStream(trio.SocketStream(sock), tls, server_hostname=host, https_compatible=True)
                await stream.do_handshake()
                return stream
        except trio.TooSlowError as error:
            sock.close()
            last = NotSent(in_words(error, host, port, _CONNECT_SECONDS))
        except (OSError, trio.BrokenResourceError) as error:
            sock.close()
            last = error
        except BaseException:
            sock.close()
            raise
    raise last


def _request(post: Post, host: str) -> h11.Request:
    headers = [
        ("Host", host),
        ("User-Agent", f"patch-manager/{__version__}"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(post.body))),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
        *post.headers,
    ]
    parts = urlsplit(post.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return h11.Request(method="POST", target=target, headers=headers)


async def _exchange(stream: trio.abc.Stream, request: h11.Request, post: Post) -> tuple[int, float | None, str]:
    """Status, seconds asked to wait, and the begin of the body where it says why not."""
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
    data = (http.send(request) or b"") + (http.send(h11.Data(data=post.body)) or b"")
    await stream.send_all(data + (http.send(h11.EndOfMessage()) or b""))
    status, retry_after, excerpt, interim = 0, None, b"", 0
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            received = bytes(await stream.receive_some(_READ_SIZE))
            http.receive_data(received)
        elif isinstance(event, h11.InformationalResponse):
            interim += 1
            if interim > _INTERIM:
                raise h11.RemoteProtocolError("endless interim answers")
        elif isinstance(event, h11.Response):
            status = event.status_code
            retry_after = _seconds(dict(event.headers).get(b"retry-after"))
            if status < 400:
                return status, retry_after, ""
        elif isinstance(event, h11.Data):
            excerpt += bytes(event.data)
            if len(excerpt) >= _LONGEST_EXCERPT:
                break
        else:  # the end of the answer, or of the connection
            break
    return status, retry_after, excerpt[:_LONGEST_EXCERPT].decode(errors="replace")


def _seconds(value: bytes | None) -> float | None:
    return float(value) if value is not None and value.isdigit() and len(value) < 7 else None
