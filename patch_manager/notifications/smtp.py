"""One mail to one server: the standard library's client in a thread, bounded in time, the certificate verified."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from typing import IO, Any, Final

import trio

from patch_manager.domain.notifications import MailSecurity, SmtpSettings
from patch_manager.notifications.reaching import NotSent, Reach, in_words, redacted
from patch_manager.notifications.wording import one_line

SECONDS: Final = 18.0
_STEP_SECONDS: Final = 10.0
_LONGEST_TALK: Final = 256 * 1024


class _Bounded:
    """What the server says, line by line, up to a size: a reply may have any number of lines."""

    def __init__(self, lines: IO[bytes]) -> None:
        self._lines = lines
        self._left = _LONGEST_TALK

    def readline(self, size: int) -> bytes:
        """The next line."""
        line = self._lines.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise OSError("it talks without end")
        return line

    def close(self) -> None:
        """As files have it."""
        self._lines.close()


class _Conversation:
    """The connection of one attempt, to one of the addresses that were checked, whatever the name means by now."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        self._sock: socket.socket | None = None

    def connect(self, port: int, timeout: float) -> socket.socket:
        """Connect to the first that answers, in the thread."""
        last = OSError("no address")
        for address in self._addresses:
            try:
                self._sock = socket.create_connection((address, port), timeout)
                return self._sock
            except OSError as error:
                last = error
        raise last

    def cut(self) -> None:
        """End the thread's waiting, from outside."""
        if self._sock is not None:
            try:
                self._sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it is closed already


def _client(base: type[smtplib.SMTP], talk: _Conversation, **arguments: Any) -> smtplib.SMTP:
    class Client(base):  # type: ignore[valid-type,misc]  # one of the library's two
        def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
            sock = talk.connect(port, timeout)
            return self.context.wrap_socket(sock, server_hostname=host) if base is smtplib.SMTP_SSL else sock

        def getreply(self) -> tuple[int, bytes]:
            if self.file is None:  # type: ignore[has-type]  # not in the library's types
                self.file = _Bounded(self.sock.makefile("rb"))
            found: tuple[int, bytes] = super().getreply()
            return found

    made: smtplib.SMTP = Client(**arguments)
    return made


async def send(
    settings: SmtpSettings,
    message: EmailMessage,
    recipients: Sequence[str],
    reach: Reach,
    threads: trio.CapacityLimiter,
    *,
    seconds: float = SECONDS,
) -> str:
    """Send to all recipients; what the server said. Those that it refused are named, if it took any.

    Raises `NotSent` in words without secrets.
    """
    host, port = settings.host, settings.port
    talk: _Conversation | None = None
    try:
        with trio.fail_after(seconds):
            talk = _Conversation(await reach.addresses(host, port))
            work = _work(settings, message, recipients, reach.tls, talk)
            return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=threads)
    except smtplib.SMTPException as error:
        raise NotSent(redacted(_refusal(error, host), (settings.password,))) from None
    except (OSError, trio.TooSlowError) as error:
        raise NotSent(redacted(in_words(error, host, port, seconds), (settings.password,))) from None
    except UnicodeError:
        raise NotSent("user name and password must be ASCII for this mail server") from None
    finally:
        if talk is not None:
            talk.cut()


def _work(
    settings: SmtpSettings, message: EmailMessage, recipients: Sequence[str], tls: ssl.SSLContext, talk: _Conversation
) -> Callable[[], str]:
    def work() -> str:
        base = smtplib.SMTP_SSL if settings.security is MailSecurity.TLS else smtplib.SMTP
        extra = {"context": tls} if settings.security is MailSecurity.TLS else {}
        client = _client(
            base,
            talk,
            host=settings.host,
            port=settings.port,
            local_hostname=socket.gethostname() or "localhost",
            timeout=_STEP_SECONDS,
            **extra,
        )
        try:
            if settings.security is MailSecurity.STARTTLS:
                client.starttls(context=tls)
            if settings.username is not None and settings.password is not None:
                client.login(settings.username, settings.password)
            refused = client.send_message(message, settings.sender, list(recipients))
            taken = f"{settings.host} took it for {len(recipients) - len(refused)} of {len(recipients)}"
            return f"{taken}; refused: {_each(refused)}" if refused else f"{settings.host} took it"
        finally:
            client.close()  # a farewell could only turn a message that was taken into an error

    return work


def _refusal(error: smtplib.SMTPException, host: str) -> str:
    match error:
        case smtplib.SMTPAuthenticationError():
            return f"{host} refused user name or password ({_said(error.smtp_code, error.smtp_error)})"
        case smtplib.SMTPNotSupportedError():
            return f"{host} lacks what the channel asks for: {one_line(str(error), 150)} Check port and encryption"
        case smtplib.SMTPRecipientsRefused():
            return f"{host} refused every recipient: {_each(error.recipients)}"
        case smtplib.SMTPSenderRefused():
            return f"{host} refused the sender {error.sender} ({_said(error.smtp_code, error.smtp_error)})"
        case smtplib.SMTPResponseException():
            return f"{host} answered {_said(error.smtp_code, error.smtp_error)}"
        case smtplib.SMTPServerDisconnected():
            return f"{host} closed the connection: check port and encryption"
        case _:
            return f"{host}: {one_line(str(error), 150)}"


def _each(refused: dict[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{address} ({_said(*reply)})" for address, reply in list(refused.items())[:3])


def _said(code: int, words: bytes | str) -> str:
    text = words.decode(errors="replace") if isinstance(words, bytes) else words
    return one_line(f"{code} {text}", 150)
