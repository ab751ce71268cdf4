"""A hub on the loopback interface, of the tests' own, that can be told to fail."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

COMMIT = "a" * 40
LARGE = 1000
"""Files from this size on are kept as large files are: their ETag is their SHA-256."""


@dataclass
class FakeHub:
    """Files by repository (`datasets/` before those of data sets) and path; faults by path, taken in order.

    A fault is ("status", code, headers), ("cut", bytes) for a connection that ends after so many bytes,
    ("redirect",) for another address, ("body", bytes) for other bytes.
    """

    files: dict[str, dict[str, bytes]]
    faults: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    commit: str = COMMIT
    revisions: tuple[str, ...] = ("main",)
    url: str = ""

    def fault(self, path: str) -> tuple[Any, ...]:
        queue = self.faults.get(path, [])
        return queue.pop(0) if queue else ("none",)

    def gets(self) -> list[tuple[str, str]]:
        """(path, range) of each request for bytes."""
        return [(path, range_) for method, path, range_ in self.requests if method == "GET" and "/api/" not in path]


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def log_message(self, *arguments: Any) -> None:
            pass

        def _answer(self) -> None:
            path = self.path.split("?")[0].lstrip("/")
            hub.requests.append((self.command, path, self.headers.get("Range", "")))
            hub.tokens.append(self.headers.get("Authorization", ""))
            tree = re.fullmatch(r"api/(?:models/)?(.+)/tree/.+", path)
            if tree and tree[1] not in hub.files:
                return self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
            if tree:
                files = hub.files[tree[1]]
                rows = [{"type": "file", "path": name, "size": len(data), "oid": "0"} for name, data in files.items()]
                return self._send(200, json.dumps(rows).encode(), {"Content-Type": "application/json"})
            moved = path.removeprefix("cdn/")
            match = re.fullmatch(r"(.+)/resolve/([^/]+)/(.+)", moved)
            if not match:
                data = hub.files.get("", {}).get(path)
                return self._file(path, data) if data is not None else self._send(404, b"", {})
            repository, revision, name = match.groups()
            if repository not in hub.files:
                return self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
            if revision not in (*hub.revisions, hub.commit):
                return self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
            if name not in hub.files[repository]:
                return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return self._file(name, hub.files[repository][name], redirected=path.startswith("cdn/"))

        def _file(self, name: str, data: bytes, redirected: bool = False) -> None:
            kind, *details = hub.fault(f"{self.command} {name}")
            digest = (hashlib.sha256 if len(data) >= LARGE else hashlib.sha1)(data).hexdigest()
            headers = {"ETag": f'"{digest}"', "X-Repo-Commit": hub.commit, "Accept-Ranges": "bytes"}
            if kind == "status":
                return self._send(details[0], b"", details[1])
            if kind == "redirect" and not redirected:
                headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(data))}
                place = hub.url.replace("127.0.0.1", "localhost")
                return self._send(302, b"", {**headers, "Location": f"{place}/cdn{self.path}"})
            if kind == "body":
                data = details[0]
            status, start = 200, 0
            range_ = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if range_:
                status, start = 206, int(range_[1])
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            cut = details[0] if kind == "cut" else None
            return self._send(status, data[start:], headers, cut)

        def _send(self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body[:cut])
            if cut is not None:
                self.wfile.flush()
                self.close_connection = True

    return Handler
