"""What can go wrong between here and a server, and what to do about it."""

from __future__ import annotations

from errors import UserError


class FetchError(UserError):
    """Something could not be fetched. What was fetched before stays, and the same command goes on from there."""


class NameUnknownError(FetchError):
    """There is nothing of this name in the table."""


class NetworkError(FetchError):
    """The server can not be reached, or the connection breaks off."""


class EndpointError(FetchError):
    """What was given as a server's address is none."""


class OfflineError(FetchError):
    """The user's settings forbid the network, and the file is not in the cache."""


class NotOnServerError(FetchError):
    """The server has no such repository, revision or file."""


class AccessError(FetchError):
    """The server wants to know who asks: the repository is gated or private."""


class RateLimitError(FetchError):
    """The server asks to wait."""


class HashMismatchError(FetchError):
    """What arrived is not what was expected; it is deleted."""


class PointerError(FetchError):
    """A Git LFS pointer arrived in place of the file."""


class LockedError(FetchError):
    """What the server has now is not what was fetched, and locked, before."""


class DiskFullError(FetchError):
    """The disk has no room for the file."""
