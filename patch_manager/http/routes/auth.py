"""Signing in and out, refreshing, sessions. The refresh token lives in a cookie that scripts cannot read (TRUST 9)."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from quart import request
from werkzeug.http import dump_cookie

from patch_manager.auth import AuthError, Client, MfaTicket, Throttled, Tokens
from patch_manager.domain.principal import Permission, Principal
from patch_manager.http.call import call
from patch_manager.http.dispatch import bearer_token
from patch_manager.http.errors import Failure, Forbidden, NotFound, TooManyRequests, Unauthenticated
from patch_manager.http.origins import is_own_origin
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.auth import (
    AccessToken,
    Login,
    MfaRequired,
    MfaTicketOnly,
    SessionOut,
    TotpCode,
    TotpEnrolment,
)
from patch_manager.http.schemas.base import Page
from patch_manager.http.services import services

REFRESH_COOKIE = "__Host-refresh"

routes = Routes("auth")


@routes.route("POST", "/auth/login", permission=Permission.PUBLIC, body=Login, answer=MfaRequired)
async def login(body: Login) -> MfaRequired | Failure:
    """Check user name and password; a second factor is always asked for.

    Unknown users and wrong passwords are answered alike. 429 with Retry-After slows guessing down.
    """
    result = await services().auth.sign_in.password(body.username.strip(), body.password.get_secret_value(), _client())
    if isinstance(result, MfaTicket):
        return MfaRequired(mfa_token=result.token, methods=list(result.methods), expires_in=result.expires_in)  # type: ignore[arg-type]  # the words are checked by pydantic
    return _refusal(result)


@routes.route("POST", "/auth/mfa/totp", permission=Permission.PUBLIC, body=TotpCode, answer=AccessToken)
async def totp(body: TotpCode) -> Reply | Failure:
    """Complete a sign-in with a code of the authenticator app. A code works once."""
    return _signed_in(await services().auth.sign_in.totp(body.mfa_token, body.code, _client()))


@routes.route("POST", "/auth/mfa/totp/enrol", permission=Permission.PUBLIC, body=MfaTicketOnly, answer=TotpEnrolment)
async def enrol_totp(body: MfaTicketOnly) -> TotpEnrolment | Failure:
    """Begin to enrol an authenticator app, for a user who has none."""
    result = await services().auth.sign_in.enrol(body.mfa_token, _client())
    if isinstance(result, AuthError):
        return _refusal(result)
    return TotpEnrolment(secret=result.secret, otpauth_uri=result.otpauth_uri)


@routes.route("POST", "/auth/mfa/totp/enrol/confirm", permission=Permission.PUBLIC, body=TotpCode, answer=AccessToken)
async def confirm_totp(body: TotpCode) -> Reply | Failure:
    """Prove the enrolled authenticator app with a code and complete the sign-in."""
    return _signed_in(await services().auth.sign_in.confirm(body.mfa_token, body.code, _client()))


@routes.route("POST", "/auth/refresh", permission=Permission.PUBLIC, answer=AccessToken)
async def refresh() -> Reply | Failure:
    """Exchange the refresh cookie for new tokens. It is good once: used twice, it ends the session. Extends nothing."""
    if not _from_own_page():
        return Forbidden("sessions are refreshed by our own pages only")
    token = request.cookies.get(REFRESH_COOKIE)
    if not token:
        return Unauthenticated(AuthError.REFRESH.value)
    return _signed_in(await services().auth.sessions.refresh(token, _client()))


@routes.route("POST", "/auth/logout", permission=Permission.PUBLIC)
async def logout() -> Reply | Failure:
    """End the session of the access token and of the refresh cookie, whichever is there, and clear the cookie."""
    if not _from_own_page():
        return Forbidden("sessions are ended by our own pages only")
    current = services()
    token = bearer_token(request.headers.get("Authorization"))
    principal = await current.auth.watch.principal_of(token) if token is not None else None
    session_id = principal.session_id if isinstance(principal, Principal) else None
    await current.auth.sessions.sign_out(session_id, request.cookies.get(REFRESH_COOKIE), _client())
    return Reply(status=HTTPStatus.NO_CONTENT, headers={"Set-Cookie": _cookie("", 0)})


@routes.route("GET", "/auth/sessions", permission=Permission.SIGNED_IN, answer=Page[SessionOut])
async def list_sessions(principal: Principal) -> Page[SessionOut]:
    """The caller's open sessions."""
    rows = await services().auth.sessions.open_sessions(principal)
    items = [
        SessionOut(
            id=row.id,
            created_at=row.created_at,
            last_active_at=row.last_active_at,
            expires_at=row.expires_at,
            ip=row.ip,
            user_agent=row.user_agent,
            current=row.id == principal.session_id,
        )
        for row in rows
    ]
    return Page[SessionOut](items=items, total=len(items))


@routes.route("DELETE", "/auth/sessions", permission=Permission.SIGNED_IN)
async def end_other_sessions(principal: Principal) -> None:
    """End all of the caller's sessions except this one."""
    await services().auth.sessions.end_other_sessions(principal, _client())


@routes.route("DELETE", "/auth/sessions/<uuid:session_id>", permission=Permission.SIGNED_IN)
async def end_session(principal: Principal, session_id: UUID) -> Failure | None:
    """End one of the caller's sessions; its tokens and open streams stop at once."""
    ended = await services().auth.sessions.end_session(principal, session_id, _client())
    return None if ended else NotFound()


def _client() -> Client:
    sender = call()
    return Client(sender.ip, sender.user_agent, sender.request_id)


def _from_own_page() -> bool:
    """Browsers say where a request comes from; a client that says nothing is none, and no page can make it send."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None and site != "same-origin":
        return False
    return origin is None or is_own_origin(origin, request.headers.get("Host"), services().settings.origin)


def _signed_in(result: Tokens | Throttled | AuthError) -> Reply | Failure:
    if not isinstance(result, Tokens):
        return _refusal(result)
    cookie = _cookie(result.refresh_token, result.refresh_max_age)
    return Reply(
        AccessToken(access_token=result.access_token, expires_in=result.expires_in), headers={"Set-Cookie": cookie}
    )


def _refusal(result: Throttled | AuthError) -> Failure:
    if isinstance(result, Throttled):
        return TooManyRequests(retry_after=result.retry_after)
    return Unauthenticated(result.value)


def _cookie(value: str, max_age: int) -> str:
    """The ``__Host-`` prefix makes browsers insist on Secure, Path=/ and no Domain."""
    return dump_cookie(REFRESH_COOKIE, value, max_age=max_age, path="/", secure=True, httponly=True, samesite="Strict")
