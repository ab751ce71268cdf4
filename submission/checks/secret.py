"""Checks that no secret leaves with a submission: by the names of files, and by what texts hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import PurePosixPath

from submission.checks.base import Subject, make_check

SECRET_NAMES = (
    ".env", ".env.*", "*.env", ".netrc", "_netrc", ".pypirc", ".npmrc", ".git-credentials", ".htpasswd", ".dockercfg",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore",
    "*.kdbx", "credentials", "credentials.*", "secrets.*", "kaggle.json", "token", "token.txt", "*.token",
    "service_account*.json", "application_default_credentials.json",
)  # fmt: skip
SECRET_FOLDERS = (".git", ".ssh", ".aws", ".gnupg", ".kube", ".azure", ".gcloud", ".docker")
# What secrets look like: (name, pattern). Each begins with a mark that its maker gave it for this very purpose.
SECRET_TEXTS = (
    ("a private key", re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----")),
    ("an AWS access key", re.compile(rb"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Z0-9])")),
    ("a GitHub token", re.compile(rb"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})")),
    ("a Hugging Face token", re.compile(rb"(?<![A-Za-z0-9_])hf_[A-Za-z0-9]{34}(?![A-Za-z0-9])")),
    ("a GitLab token", re.compile(rb"(?<![A-Za-z0-9])glpat-[A-Za-z0-9_-]{20}")),
    ("a Slack token", re.compile(rb"(?<![A-Za-z0-9])xox[abprs]-[A-Za-z0-9-]{20,}")),
    ("a PyPI token", re.compile(rb"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{20,}")),
)


def is_secret_name(name: str) -> bool:
    """Whether a file's path is one that secrets are usually kept in."""
    path = PurePosixPath(name)
    lower = path.name.lower()
    in_folder = any(part in SECRET_FOLDERS for part in path.parts)
    return in_folder or any(fnmatch(lower, pattern) for pattern in SECRET_NAMES)


def secret_in(content: bytes) -> str | None:
    """Return what kind of secret a text holds, or None."""
    return next((kind for kind, pattern in SECRET_TEXTS if pattern.search(content)), None)


@make_check(
    "a file has a name that keys, tokens or passwords are kept under, or lies in `.git`, `.ssh` and the like",
    "leave it out; if it was uploaded already, make the secret invalid",
)
def _secret_file(subject: Subject) -> Iterator[str]:
    yield from (name for name in subject.files if is_secret_name(name))


@make_check("a file holds a private key or a token", "take it out; if it was uploaded already, make the secret invalid")
def _secret_text(subject: Subject) -> Iterator[str]:
    for name, content in subject.texts():
        kind = secret_in(content)
        if kind is not None:
            yield f"{name} holds {kind}"  # and never the secret itself
