"""A hub on the loopback interface, of the tests' own, that can be told to fail."""

import base64
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
    ("redirect",) for another address, ("body", bytes) for other bytes. Files that a push sends are `uploaded` by hash
    first, and stand in the repository with its commit.
    """

    files: dict[str, dict[str, bytes]]
    faults: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    uploaded: dict[str, bytes] = field(default_factory=dict)
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

        def do_POST(self) -> None:
            """What a push asks: make a repository, how to send each file, where to, and the commit of all."""
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b"".join(iter(self._chunk, b""))
            path = self.path.split("?")[0].lstrip("/")
            hub.requests.append(("POST", path, ""))
            kind, *details = hub.fault(f"POST {path.rsplit('/', 1)[0] if path.endswith('/main') else path}")
            if kind == "status":
                return self._send(details[0], b"", details[1])
            answer: dict[str, Any] = {}
            if path == "api/repos/create":
                made = json.loads(body)
                repository = "/".join(filter(None, (made.get("organization"), made["name"])))
                hub.files.setdefault(repository, {})
                answer = {"url": f"{hub.url}/{repository}"}
            elif path.endswith("/preupload/main"):
                rows = json.loads(body)["files"]
                answer["files"] = [
                    {
                        "path": row["path"],
                        "uploadMode": "lfs" if row["size"] >= LARGE else "regular",
                        "shouldIgnore": False,
                    }
                    for row in rows
                ]
            elif path.endswith("/info/lfs/objects/batch"):
                rows = json.loads(body)["objects"]
                answer = {"transfer": "basic", "objects": [self._upload(row) for row in rows]}
            elif match := re.fullmatch(r"api/models/(.+)/commit/main", path):
                for row in map(json.loads, body.splitlines()):
                    value = row["value"]
                    if row["key"] == "file":
                        hub.files[match[1]][value["path"]] = base64.b64decode(value["content"])
                    elif row["key"] == "lfsFile":
                        hub.files[match[1]][value["path"]] = hub.uploaded[value["oid"]]
                answer = {"commitUrl": f"{hub.url}/{match[1]}/commit/{COMMIT}", "commitOid": COMMIT}
            return self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

        def _chunk(self) -> bytes:
            data = self.rfile.read(int(self.rfile.readline(), 16))
            self.rfile.readline()
            return data

        def _upload(self, row: dict[str, Any]) -> dict[str, Any]:
            there = row["oid"] in hub.uploaded
            actions = {} if there else {"actions": {"upload": {"href": f"{hub.url}/upload/{row['oid']}"}}}
            return {"oid": row["oid"], "size": row["size"], **actions}

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            hub.requests.append(("PUT", self.path.lstrip("/"), ""))
            kind, *details = hub.fault("PUT")
            if kind == "status":
                return self._send(details[0], b"", details[1])
            hub.uploaded[hashlib.sha256(data).hexdigest()] = data
            return self._send(200, b"", {})

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
            if self.command in ("GET", "POST"):
                self.wfile.write(body[:cut])
            if cut is not None:
                self.wfile.flush()
                self.close_connection = True

    return Handler
