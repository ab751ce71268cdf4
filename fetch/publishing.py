"""The other way round: files to a repository on the hub, in one commit, so that half of them is never seen there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from contest.console import one_line
from fetch.download import translated
from fetch.errors import AccessError, NameUnknownError, NetworkError, OfflineError
from fetch.hub import Hub

OFFICIAL = "huggingface.co"


def require_id(identifier: str) -> None:
    """Raise NameUnknownError for what can be no OWNER/NAME on the hub."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(identifier)
    except HFValidationError as error:
        raise NameUnknownError(f"{identifier!r} can be no id on the hub", "write OWNER/NAME") from error
    if identifier.count("/") != 1:
        raise NameUnknownError(f"{identifier!r} names no owner", "write OWNER/NAME")


@contextmanager
def _plain_uploads(endpoint: str) -> Iterator[None]:
    """Send files as Git LFS does where the hub is not the official one: others have no Xet storage."""
    from huggingface_hub import constants

    before = constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_DISABLE_XET = before or urlsplit(endpoint).hostname != OFFICIAL
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = before


@contextmanager
def _broken_connections(repository: str) -> Iterator[None]:
    """Raise NetworkError for the library's Xet client, and for its uploads by Git LFS what their RuntimeError hides."""
    try:
        yield
    except ConnectionError as error:
        remedy = "run the same command again: what has arrived is not sent again"
        raise NetworkError(f"the connection failed: {one_line(str(error))}", remedy, where=repository) from error
    except RuntimeError as error:
        raise (error.__cause__ or error) from None


def publish(
    files: Sequence[Path], folder: Path, repository: str, *, private: bool = False, endpoint: str | None = None
) -> str:
    """Commit files of a folder to a model's repository, which is made if there is none; return the commit's address.

    What the hub has already is not sent again: after a break the same call goes on with the file it broke in.
    Raises FetchError of the kind that says what went wrong, OSError.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, constants, get_token

    Hub(endpoint)  # refuses what can be no address
    if constants.HF_HUB_OFFLINE:
        raise OfflineError("HF_HUB_OFFLINE is set", "unset it, and run the same command again", where=repository)
    if get_token() is None:
        remedy = "set HF_TOKEN to a token that may write"
        raise AccessError("the hub wants to know who pushes", remedy, where=repository)
    api = HfApi(endpoint=endpoint)
    with translated(repository), _plain_uploads(api.endpoint), _broken_connections(repository):
        api.create_repo(repository, private=private, exist_ok=True)
        operations = [CommitOperationAdd(path.relative_to(folder).as_posix(), path) for path in files]
        commit = api.create_commit(repository, operations, commit_message="Weights, card and results")
    return commit.commit_url
