# SPDX-License-Identifier: 0BSD
"""A thin HTTP client that keeps what was really sent and received, and a user of the service on top of it."""
import http.client
import itertools
import json
import os
import socket
import ssl
import time

API = "/api/v1"


def _no_duplicates(pairs):
    names = [n for n, _ in pairs]
    assert len(names) == len(set(names)), f"a name twice in {names}"
    return dict(pairs)


def _no_constants(text):
    raise AssertionError(f"{text} is no JSON")


class Answer:
    """One answer, raw. `headers` are (name, value) pairs as they came."""

    def __init__(self, method, path, status, headers, raw, took_s=0.0):
        self.method, self.path, self.status, self.headers, self.raw, self.took_s = method, path, status, headers, raw, took_s

    def header(self, name):
        """Its only value, or None."""
        values = [v for n, v in self.headers if n.lower() == name.lower()]
        assert len(values) < 2, f"{name} is there {len(values)} times"
        return values[0] if values else None

    @property
    def type(self):
        return (self.header("Content-Type") or "").partition(";")[0].strip().lower()

    @property
    def json(self):
        return json.loads(self.raw.decode(), object_pairs_hook=_no_duplicates, parse_constant=_no_constants)

    @property
    def code(self):
        """Of a problem; None when it is none."""
        return self.json.get("code") if self.type == "application/problem+json" and self.raw else None

    @property
    def replayed(self):
        return self.header("Idempotency-Replayed") == "true"

    def __str__(self):
        return f"{self.method} {self.path} -> {self.status} {self.raw[:600]!r}"


class Client:
    """One kept connection; not for several threads at once. `watch` is called with each answer. `source`: the address to
    come from (all of 127.0.0.0/8 is this host's)."""

    def __init__(self, port, watch=None, host="127.0.0.1", timeout_s=30, tls=False, source=None):
        self.port, self.watch, self.host, self.timeout_s, self.tls = port, watch, host, timeout_s, tls
        self.source = (source, 0) if source else None
        self._connection = None

    def _connect(self):
        if self.tls:
            c = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout_s, source_address=self.source, context=ssl._create_unverified_context())
        else:
            c = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s, source_address=self.source)
        c.connect()
        c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return c

    def close(self):
        if self._connection:
            self._connection.close()
            self._connection = None

    def call(self, method, path, body=None, *, access=None, token=None, key=None, content_type="application/json", headers=()):
        """body: bytes as they are, or anything else as JSON. A body has content_type unless that is None."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=False).encode()
        lines = list(headers)
        if body is not None and content_type is not None:
            lines.append(("Content-Type", content_type))
        if access is not None:
            lines.append(("Authorization", "Bearer " + access))
        if token is not None:
            lines.append(("Queue-Token", token))
        if key is not None:
            lines.append(("Idempotency-Key", key))
        began = time.monotonic()
        while True:
            kept = self._connection is not None
            try:
                if not kept:
                    self._connection = self._connect()
                self._send(method, path, body, lines)
                got = self._connection.getresponse()
                break
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # The server may close a kept connection whenever it likes; a new one must work.
                self.close()
                if not kept:
                    raise
            except BaseException:
                self.close()
                raise
        raw = got.read()
        answer = Answer(method, path, got.status, got.getheaders(), raw, time.monotonic() - began)
        if got.will_close:
            self.close()
        if self.watch:
            self.watch(answer)
        return answer

    def _send(self, method, path, body, lines):
        c = self._connection
        c.putrequest(method, path, skip_accept_encoding=True)
        for name, value in lines:
            c.putheader(name, value)
        if body is not None or method in ("POST", "PUT", "PATCH"):
            c.putheader("Content-Length", str(len(body or b"")))
        c.endheaders(body or None)

    def raw(self, text, method="GET", path="?"):
        """Sends bytes over a connection of their own. method and path are for the watcher."""
        with socket.create_connection((self.host, self.port), timeout=self.timeout_s) as s:
            s.sendall(text)
            got = http.client.HTTPResponse(s, method=method)
            got.begin()
            answer = Answer(method, path, got.status, got.getheaders(), got.read())
        if self.watch:
            self.watch(answer)
        return answer


_keys = itertools.count(1)


def new_key():
    return f"key-{os.getpid()}-{next(_keys)}"


def expect(answer, status, code=None):
    """The answer's JSON (None without a body), when it is that status and code."""
    if answer.status != status or answer.code != code:
        raise AssertionError(f"expected {status} {code or ''}: {answer}")
    return answer.json if answer.raw else None


secrets = set()  # all that users were given, and nobody else is to see


class User(Client):
    """Somebody with an access key, and tokens by concert. Methods named after what one does return Answers."""

    def __init__(self, port, watch=None, name="Kim", balance=0):
        super().__init__(port, watch)
        made = expect(self.call("POST", API + "/users", {"name": name}), 201)
        self.user_id, self.access = made["userId"], made["accessKey"]
        self.tokens = {}
        secrets.add(self.access)
        if balance:
            expect(self.charge(balance), 201)

    def get(self, path, **more):
        return self.call("GET", API + path, access=self.access, **more)

    def post(self, path, body=None, **more):
        return self.call("POST", API + path, body, access=self.access, **more)

    def balance(self):
        return self.get(f"/users/{self.user_id}/balance")

    def charge(self, amount, key=None):
        return self.post(f"/users/{self.user_id}/balance/charges", {"amount": amount}, key=key or new_key())

    def join(self, concert, key=None, **more):
        answer = self.post(f"/concerts/{concert}/queue", key=key, **more)
        if answer.status in (200, 201):
            self.tokens[concert] = answer.json["token"]
            secrets.add(self.tokens[concert])
        return answer

    def with_token(self, concert, method, path, body=None, **more):
        return self.call(method, API + path, body, token=self.tokens[concert], **more)

    def place(self, concert):
        return self.with_token(concert, "GET", f"/concerts/{concert}/queue")

    def leave(self, concert):
        return self.with_token(concert, "DELETE", f"/concerts/{concert}/queue")

    def performances(self, concert):
        return self.with_token(concert, "GET", f"/concerts/{concert}/performances")

    def seats(self, concert, performance):
        return self.with_token(concert, "GET", f"/performances/{performance}/seats")

    def hold(self, concert, performance, *seats, key=None):
        return self.with_token(concert, "POST", f"/performances/{performance}/reservations", {"seatNumbers": list(seats)}, key=key)

    def pay(self, concert, reservation, key=None):
        return self.with_token(concert, "POST", f"/reservations/{reservation}/payment", access=self.access, key=key)

    def reservation(self, reservation):
        return self.get(f"/reservations/{reservation}")

    def release(self, reservation):
        return self.call("DELETE", API + f"/reservations/{reservation}", access=self.access)

    def cancel(self, reservation, key=None):
        return self.post(f"/reservations/{reservation}/cancellation", key=key)

    def pages(self, path, limit):
        """Every item of a list, page by page."""
        items, after = [], ""
        while True:
            page = expect(self.get(f"{path}?limit={limit}{after}"), 200)
            assert len(page["items"]) <= limit, f"{len(page['items'])} items with limit {limit}"
            items += page["items"]
            if page["next"] is None:
                return items
            assert len(page["items"]) == limit, "a short page that is not the last"
            after = "&after=" + page["next"]
