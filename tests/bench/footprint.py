#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""Measures what the service takes: CPU while nothing happens, and a process's own memory after
many requests of all kinds. Fails when it is more than is promised. Needs wrk, and the right to
read smaps of its own processes.

    tests/bench/footprint.py [--requests N] [--idle SECONDS]
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
import stack  # noqa: E402
from client import API, Client, User, expect  # noqa: E402
from load import LUA, raw  # noqa: E402
from world import World, cpu_ms  # noqa: E402

IDLE_MAX = 0.005  # of a core: all processes but the database
MEMORY_MAX = 8 << 20  # of a worker, or of a writer
GROWTH_MAX = 256 << 10  # between half of the requests and all: noise of the allocator


def own_memory(pid):
    """Private and proportional bytes of one process."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        rows = dict(line.split(":", 1) for line in f if ":" in line and line[0].isupper())
    kb = {name: int(value.split()[0]) for name, value in rows.items()}
    return (kb["Private_Clean"] + kb["Private_Dirty"]) * 1024, kb["Pss"] * 1024


def idle(seconds):
    """CPU of each part while nobody asks, with the demo's concerts and the usual number of
    workers."""
    with stack.Stack(demo_data=True, fast=False) as service:
        time.sleep(3)
        pids = {**World(service).processes(), "database": [service.pid("mariadbd")]}
        before = {name: cpu_ms(p) / 1000 for name, p in pids.items()}
        time.sleep(seconds)
        used = {name: (cpu_ms(p) / 1000 - before[name]) / seconds for name, p in pids.items()}
    ours = sum(used.values()) - used["database"]
    print(
        "idle, ms of CPU a second: "
        + ", ".join(f"{name} {share * 1000:.2f}" for name, share in used.items()),
        flush=True,
    )
    print(f"idle, the service: {ours:.2%} of a core (at most {IDLE_MAX:.1%})", flush=True)
    return ours <= IDLE_MAX


def mixed(service):
    """Requests of every route, good and bad, as lines for wrk."""
    ctl, lines, day = (
        service.ctl,
        [],
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 30 * 86400)),
    )
    concert = ctl("concert", "add", "--title", "open", "--max-active", 1000)["concertId"]
    closed = ctl("concert", "add", "--title", "closed", "--max-active", 0)["concertId"]
    small, large = (
        ctl(
            "performance",
            "add",
            concert,
            "--starts-at",
            day,
            "--venue",
            "hall",
            "--price",
            10,
            "--seats",
            n,
        )["performanceId"]
        for n in (50, 5000)
    )
    for i in range(20):
        u = User(service.port, balance=10000)
        for c in (concert, closed):
            expect(u.join(c), 201)
        reservation = expect(u.hold(concert, small, i + 1), 201)["reservationId"]
        who, let_in, waits = (
            {"Authorization": f"Bearer {u.access}"},
            {"Queue-Token": u.tokens[concert]},
            {"Queue-Token": u.tokens[closed]},
        )
        lines += [
            raw("GET", "/healthz"),
            raw("GET", API + "/concerts"),
            raw("GET", f"{API}/concerts/{concert}"),
            raw("GET", f"{API}/concerts/0"),
            raw("POST", f"{API}/concerts/{closed}/queue", who),
            raw("GET", f"{API}/concerts/{closed}/queue", waits),
            raw("GET", f"{API}/concerts/{concert}/queue", let_in),
            raw("GET", f"{API}/concerts/{concert}/performances", let_in),
            raw("GET", f"{API}/performances/{small}/seats", let_in),
            raw("GET", f"{API}/reservations", who),
            raw("GET", f"{API}/reservations/{reservation}", who),
            raw("GET", f"{API}/users/{u.user_id}/balance", who),
            raw("GET", f"{API}/users/{u.user_id}/balance/history", who),
            raw("GET", f"{API}/payments", who),
            raw(
                "POST",
                f"{API}/users/{u.user_id}/balance/charges",
                {**who, "Idempotency-Key": f"again-{i}"},
                '{"amount":5}',
            ),
            raw(
                "POST",
                f"{API}/performances/{small}/reservations",
                let_in,
                '{"seatNumbers":[%d]}' % (i + 1),
            ),
            raw(
                "POST",
                f"{API}/performances/{large}/reservations",
                {**let_in, "Idempotency-Key": f"hold-{i}"},
                '{"seatNumbers":[%d]}' % (i + 1),
            ),
            raw("POST", f"{API}/performances/{small}/reservations", waits, '{"seatNumbers":[1]}'),
            raw("POST", API + "/users", {}, '{"name":"somebody"}'),
            raw("POST", API + "/users", {}, '{"name":'),
            raw("GET", API + "/reservations", {"Authorization": "Bearer forged"}),
            raw("GET", API + "/nothing"),
        ]
    # Few, as they are dear: a large hall, and the operator's.
    lines += [
        raw("GET", f"{API}/performances/{large}/seats", let_in),
        raw("GET", "/metrics"),
        raw("GET", "/status"),
    ]
    return lines


def memory(requests):
    """The memory of the largest worker or writer at its highest, in the first half of the requests
    and in the second."""
    with stack.Stack(
        fast=True,
        workers=1,
        max_requests=0,
        log_level=4,
        active_ttl_ms=3600000,
        hold_ttl_ms=3600000,
    ) as service, tempfile.NamedTemporaryFile(
        "w", suffix=".lua"
    ) as lua, tempfile.NamedTemporaryFile(
        "w"
    ) as lines:
        lua.write(LUA)
        lua.flush()
        lines.writelines(line + "\n" for line in mixed(service))
        lines.flush()
        processes, done = World(service).processes(), 0
        serving = processes["worker"] + processes.get("writer", [])
        rows = [(0, *max(map(own_memory, serving)))]
        for goal in (requests // 2, requests):
            highest = (0, 0)
            while done < goal:
                # What a large answer takes is given back after it: so it is looked at all the time.
                with subprocess.Popen(
                    [
                        "wrk",
                        "-t1",
                        "-c4",
                        "-d2s",
                        "-s",
                        lua.name,
                        f"http://127.0.0.1:{service.port}",
                    ],
                    env={**os.environ, "BENCH_REQUESTS": lines.name},
                    stdout=subprocess.PIPE,
                    text=True,
                ) as wrk:
                    while wrk.poll() is None:
                        highest = max(highest, *map(own_memory, serving))
                        time.sleep(0.02)
                    done += int(re.search(r"(\d+) requests in", wrk.stdout.read())[1])
                assert wrk.returncode == 0
            rows.append((done, *highest))
        now = expect(Client(service.port).call("GET", "/status"), 200)
        assert now["pool"]["restarts"] == 0 and now["requests"]["5xx"] == 0, now["requests"]
        routes = sum(n > 0 for n in now["requests"]["codes"].values())
    for done, private, pss in rows:
        print(
            f"memory of a worker or writer until {done:>7,} requests: {private / 1024:.0f} KiB "
            f"private, {pss / 1024:.0f} KiB proportional at most",
            flush=True,
        )
    print(
        f"memory, {routes} different outcomes; at most {MEMORY_MAX >> 20} MiB, and not growing",
        flush=True,
    )
    return rows[2][2] <= MEMORY_MAX and rows[2][1] - rows[1][1] <= GROWTH_MAX


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=100000)
    parser.add_argument("--idle", type=int, default=20)
    args = parser.parse_args()
    if subprocess.run(["which", "wrk"], stdout=subprocess.DEVNULL).returncode:
        sys.exit("bench: wrk is needed: apt-get install wrk")
    ok = args.idle == 0 or idle(args.idle)
    ok = memory(args.requests) and ok
    sys.exit(0 if ok else "bench: more than is promised")


main()
