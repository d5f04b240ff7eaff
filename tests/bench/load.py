# SPDX-License-Identifier: 0BSD
"""Load by wrk, and the text of requests for it."""
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass

LUA = """
local requests, n = {}, 0
function init(args)
  for line in io.lines(os.getenv("BENCH_REQUESTS")) do
    requests[#requests + 1] = line:gsub("\\\\r", "\\r"):gsub("\\\\n", "\\n")
  end
end
function request() n = n + 1; return requests[(n - 1) % #requests + 1] end
"""
UNITS_MS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}


@dataclass
class Load:
    """Of one run. rate: answers a second; p50, p99 in ms; refused: not 2xx, or no answer at all;
    repeated: requests that can be made once only were made again."""

    rate: float
    p50: float
    p99: float
    asked: int = 0
    refused: int = 0
    repeated: bool = False


def raw(method, path, headers=None, body=None):
    """A request as a line of the file that LUA reads: \\r and \\n spelled out."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"] + [
        f"{k}: {v}" for k, v in (headers or {}).items()
    ]
    if body is not None:
        lines.append("Content-Type: application/json")
    if method == "POST":
        lines.append(f"Content-Length: {len(body or '')}")
    return "\\r\\n".join(lines) + "\\r\\n\\r\\n" + (body or "")


def spelled(line):
    """The bytes of such a line."""
    return line.replace("\\r", "\r").replace("\\n", "\n").encode()


def wrk(port, requests, clients, seconds, once=False):
    """Runs the requests in turn, from the first on again after the last. once: they must not be
    repeated."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua, tempfile.NamedTemporaryFile(
        "w"
    ) as lines:
        lua.write(LUA)
        lua.flush()
        lines.writelines(r + "\n" for r in requests)
        lines.flush()
        out = subprocess.run(
            [
                "wrk",
                "-t1",
                f"-c{clients}",
                f"-d{seconds}s",
                "--latency",
                "-s",
                lua.name,
                f"http://127.0.0.1:{port}",
            ],
            env={**os.environ, "BENCH_REQUESTS": lines.name},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    return read_wrk(out, len(requests) if once else None, clients)


def read_wrk(out, limit=None, clients=0):
    """What wrk printed, as a Load. limit: of requests that may be asked once each."""

    def number(pattern):
        found = re.search(pattern, out)
        return int(found[1]) if found else 0

    def at(percent):
        value, unit = re.search(rf"{percent}% +([\d.]+)(us|ms|s|m)\b", out).groups()
        return float(value) * UNITS_MS[unit]

    asked = number(r"(\d+) requests in")
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    refused = number(r"Non-2xx or 3xx responses: (\d+)") + (
        sum(map(int, errors.groups())) if errors else 0
    )
    rate = float(re.search(r"Requests/sec: *([\d.]+)", out)[1])
    # Those under way at the end were sent too.
    return Load(rate, at(50), at(99), asked, refused, limit is not None and asked + clients > limit)
