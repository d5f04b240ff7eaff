# SPDX-License-Identifier: 0BSD
"""Requests to the workers' socket without nginx, and as of a client of nginx that has left already."""
import socket
import struct

BEGIN_REQUEST, PARAMS, STDIN, RESPONDER = 1, 4, 5, 1


def _record(kind, content):
    return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content


def _length(n):
    return struct.pack(">B", n) if n < 128 else struct.pack(">I", n | 0x80000000)


def _send(s, path, params, body):
    pairs = [(k.encode(), str(v).encode()) for k, v in params.items()]
    named = b"".join(_length(len(k)) + _length(len(v)) + k + v for k, v in pairs)
    s.connect(path)
    s.sendall(_record(BEGIN_REQUEST, struct.pack(">HB5x", RESPONDER, 0)) + _record(PARAMS, named) + _record(PARAMS, b"") +
              (_record(STDIN, body) if body else b"") + _record(STDIN, b""))


def send_and_leave(path, params, body=b""):
    """Sends a whole request to the unix socket at `path`, and closes without waiting for its answer."""
    with socket.socket(socket.AF_UNIX) as s:
        _send(s, path, params, body)


def ask(path, params, body=b"", timeout_s=10):
    """Sends a whole request; all that came back, as it came."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout_s)
        _send(s, path, params, body)
        return b"".join(iter(lambda: s.recv(65536), b""))
