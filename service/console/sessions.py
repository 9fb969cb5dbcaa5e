"""Logging in: sessions that end, CSRF tokens bound to them, and guesses that get slower."""

from __future__ import annotations

import asyncio
import hmac
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from service.console.accounts import NOBODY, Accounts, AccountsError, User, matches

_FREE_TRIES: Final = 5
_LONGEST_LOCK: Final = 300.0
_MOST_REMEMBERED: Final = 10_000
_MOST_SESSIONS: Final = 1_000
_MOST_WAITING: Final = 16


class LoginRefused(Exception):
    """No session; ``wait`` seconds before another try makes sense (0: at once)."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


@dataclass(slots=True)
class Session:
    """One login. ``key`` is the cookie, ``csrf`` what every change has to bring besides.

    Attributes:
        pages: Open pages that are sent what changes.
    """

    key: str
    csrf: str
    user: User
    began: float
    seen: float
    used: dict[str, float] = field(default_factory=dict)
    pages: int = 0

    def first_use(self, command_id: str) -> bool:
        """Whether a command with this id has not been sent in this session before."""
        if command_id in self.used:
            return False
        self.used[command_id] = self.seen
        if len(self.used) > _MOST_REMEMBERED:
            del self.used[next(iter(self.used))]
        return True


class Sessions:
    """Everybody who is logged in.

    Args:
        accounts: Reads the file of users; asked at every login and request, so that a change counts at once.
        idle, life: Seconds after which a session that is not used, and any session, ends.
        clock: Seconds.
    """

    def __init__(
        self,
        accounts: Callable[[], Accounts],
        *,
        idle: float,
        life: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._accounts = accounts
        self._idle = idle
        self._life = life
        self._clock = clock
        self._by_key: dict[str, Session] = {}
        self._machines: dict[str, Session] = {}
        self._wrong: dict[tuple[str, str], tuple[int, float]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    async def login(self, name: str, password: str, address: str) -> Session:
        """A new session for whoever knows the password.

        Raises:
            LoginRefused: Wrong name or password (which of them is not said), or too many guesses.
            AccountsError: The file of users cannot be used.
        """
        now = self._clock()
        # By name and address: guesses from elsewhere must not keep somebody from their kill button.
        attempts = ((name[:64], address), ("", address))
        wait = max(self._wrong.get(attempt, (0, 0.0))[1] - now for attempt in attempts)
        if wait > 0:
            raise LoginRefused(f"too many wrong passwords: wait {math.ceil(wait)} s", wait)
        if self._waiting >= _MOST_WAITING:
            raise LoginRefused("too many people log in at once; try again", 1.0)
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                user = self._accounts().by_name.get(name)
                stored = user.password if user is not None and user.password else NOBODY
                right = await asyncio.to_thread(matches, password, stored)
        finally:
            self._waiting -= 1
        if user is None or not user.password or not right:
            self._note_wrong(attempts)
            raise LoginRefused("name or password is wrong")
        self._wrong.pop(attempts[0], None)
        return self._open(user)

    def find(self, key: str, *, touch: bool = True) -> Session | None:
        """The session of a cookie, if it has not ended and its user still may use the console.

        Args:
            touch: Counts as use; what a page is sent by itself does not.
        """
        session = self._by_key.get(key)
        if session is None:
            return None
        now = self._clock()
        if now - session.seen > self._idle or now - session.began > self._life:
            del self._by_key[key]
            return None
        try:
            user = self._accounts().by_name.get(session.user.name)
        except AccountsError:
            user = None
        if user is None or user.password != session.user.password:
            del self._by_key[key]
            return None
        session.user = user
        if touch:
            session.seen = now
        return session

    def by_token(self, token: str) -> Session | None:
        """What stands for the machine that has this bearer token; it has no cookie and does not end."""
        try:
            user = self._accounts().by_token(token)
        except AccountsError:
            return None
        if user is None:
            return None
        now = self._clock()
        session = self._machines.get(user.name)
        if session is None or session.user.token != user.token:
            session = self._machines[user.name] = Session("", "", user, now, now)
        session.user, session.seen = user, now
        return session

    def close(self, key: str) -> None:
        """Log out."""
        self._by_key.pop(key, None)

    def _open(self, user: User) -> Session:
        now = self._clock()
        if len(self._by_key) >= _MOST_SESSIONS:
            oldest = min(self._by_key.values(), key=lambda session: session.seen)
            del self._by_key[oldest.key]
        session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32), user, now, now)
        self._by_key[session.key] = session
        return session

    def _note_wrong(self, attempts: tuple[tuple[str, str], ...]) -> None:
        """Guesses from one address slow down, for this name soon and for any name later."""
        now = self._clock()
        if len(self._wrong) > _MOST_REMEMBERED:
            self._wrong = {who: (n, until) for who, (n, until) in self._wrong.items() if until > now}
        for who in attempts:
            # One address may serve a whole desk, so it gets more tries than one name.
            free = _FREE_TRIES if who[0] else 4 * _FREE_TRIES
            count = self._wrong.get(who, (0, 0.0))[0] + 1
            lock = 0.0 if count < free else min(_LONGEST_LOCK, 2.0 ** min(count - free, 10))
            self._wrong[who] = count, now + lock


def same(given: str, expected: str) -> bool:
    """Compare secrets without telling how much of one is right."""
    return hmac.compare_digest(given.encode(), expected.encode())
