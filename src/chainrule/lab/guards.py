"""Who may ask, how often, and how much.

A page on another site must not be able to use the lab through a visitor's browser: so `Host` has to be ours (or a
rebound name would pass), and a request that changes something needs our `Origin`. Bodies and rates are limited.
Nothing of elsewhere is loaded, and a browser holds us to that.
"""

from __future__ import annotations

import hmac
import time
from collections import deque
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 2 << 20
#: Requests of one visitor in so many seconds: more than a fast hand draws, far less than a loop asks.
MOST_REQUESTS, WINDOW = 400, 5.0
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


class Guard:
    """Stands before the routes.

    Parameters
    ----------
    app : ASGI application
    hosts : set of "name:port" that `Host` may be
    token : str or None
        What the address has to carry where strangers can reach us; it is kept in a cookie.
    """

    def __init__(self, app: ASGIApp, hosts: set[str], token: str | None = None) -> None:
        self._app, self._hosts, self._token = app, hosts, token
        self._asked: dict[str, deque[float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with our headers."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        extra = list(HEADERS)
        if self._token is not None and _query(scope).get("token") == self._token:
            extra.append((b"set-cookie", f"lab={self._token}; HttpOnly; SameSite=Strict; Path=/".encode()))
        if refusal is not None:
            await _refuse(send, *refusal)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        await self._app(scope, _limited(receive), with_headers)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        if headers.get("host", "").lower() not in self._hosts:
            return 421, "This host is not the lab's. Open the address that the terminal shows."
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() not in self._hosts:
            return 403, "Requests from other pages are refused."
        if (
            scope["method"] == "POST"
            and origin is None
            and headers.get("sec-fetch-site", "same-origin") != "same-origin"
        ):
            return 403, "Requests from other pages are refused."
        if self._token is not None and not self._knows_token(scope, headers):
            return 401, "The address lacks its token. Open the address that the terminal shows."
        if not headers.get("content-length", "0").isdigit() or int(headers.get("content-length", "0")) > MOST_BYTES:
            return 413, f"A request has at most {MOST_BYTES >> 20} MB."
        visitor = headers.get("x-session") or (scope.get("client") or ("?",))[0]
        return (429, "Too many requests. Wait some seconds.") if self._too_many(visitor[:80]) else None

    def _knows_token(self, scope: Scope, headers: dict[str, str]) -> bool:
        given = _query(scope).get("token", "")
        cookies = dict(part.strip().partition("=")[::2] for part in headers.get("cookie", "").split(";"))
        assert self._token is not None
        return any(hmac.compare_digest(self._token.encode(), one.encode()) for one in (given, cookies.get("lab", "")))

    def _too_many(self, visitor: str) -> bool:
        now = time.monotonic()
        if len(self._asked) > 1000:
            self._asked = {who: when for who, when in self._asked.items() if when and now - when[-1] < WINDOW}
        asked = self._asked.setdefault(visitor, deque(maxlen=MOST_REQUESTS))
        full = len(asked) == MOST_REQUESTS and now - asked[0] < WINDOW
        asked.append(now)
        return full


def _query(scope: Scope) -> dict[str, str]:
    parts = scope.get("query_string", b"").decode("latin-1").split("&")
    return dict(part.partition("=")[::2] for part in parts)


def _limited(receive: Receive) -> Receive:
    """Pass on no more than the limit, whatever the length said."""
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return message if taken <= MOST_BYTES else {"type": "http.disconnect"}

    return limited


async def _refuse(send: Send, status: int, reason: str) -> None:
    body = reason.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
