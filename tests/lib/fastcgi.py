"""Requests to the workers' socket without nginx: as a client of nginx that has left already."""
import socket
import struct

BEGIN_REQUEST, PARAMS, STDIN, RESPONDER = 1, 4, 5, 1


def _record(kind, content):
    return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content


def _length(n):
    return struct.pack(">B", n) if n < 128 else struct.pack(">I", n | 0x80000000)


def send_and_leave(path, params, body=b""):
    """Sends a whole request to the unix socket at `path`, and closes without waiting for its answer."""
    pairs = [(k.encode(), str(v).encode()) for k, v in params.items()]
    named = b"".join(_length(len(k)) + _length(len(v)) + k + v for k, v in pairs)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(_record(BEGIN_REQUEST, struct.pack(">HB5x", RESPONDER, 0)) + _record(PARAMS, named) + _record(PARAMS, b"") +
                  (_record(STDIN, body) if body else b"") + _record(STDIN, b""))
