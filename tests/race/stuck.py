#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""One stuck transaction stops nobody: a writer is frozen in the middle of a transaction, and a
concert's row is kept locked while all who want it keep coming. Meanwhile the clients of another
concert, health and reads are timed. Speaks TAP. To measure another build, set top_srcdir and
top_builddir: it says what it saw, whether that is right or not.
"""
import base64
import collections
import contextlib
import hashlib
import http.client
import itertools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import stack
import tap
from client import API, Client, expect
from tap import test

USERS = 30000
LOCKED_S, CLIENTS = 10, 64
IDLE_S = 3  # after so long a transaction that nobody goes on with is undone
IDLE = (
    "SELECT COUNT(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p"
    " ON p.id = t.trx_mysql_thread_id"
    " WHERE p.command = 'Sleep' AND p.user <> 'root' AND t.trx_rows_locked > 0"
)
fork = multiprocessing.get_context("fork")
state = {}

Told = collections.namedtuple("Told", "at took_s status code")


def access_key(i):
    raw = hashlib.md5(str(i).encode()).digest() + hashlib.sha256(f"s{i}".encode()).digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sql(host, text):
    done = subprocess.run(
        [
            "mariadb",
            "--no-defaults",
            "-uroot",
            "-nNB",
            "-S",
            host.setting("database_socket"),
            host.setting("database_name"),
            "-e",
            text,
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def queue_row(concert):
    return f"SELECT * FROM queue WHERE concert_id = {concert} FOR UPDATE"


class Crowd:
    """Clients in a process of their own, each on a connection of its own, asking on and on:
    next_request(n) gives method, path and what else belongs to the n-th request. They begin when
    `go` is set. (Made before anything is locked: a fork would keep the lock's pipe open.)"""

    def __init__(self, port, clients, pause_s, next_request):
        self.go, self.over, self.out = fork.Event(), fork.Event(), fork.Queue()
        self.process = fork.Process(
            target=self._run, args=(port, clients, pause_s, next_request), daemon=True
        )
        self.process.start()

    def _run(self, port, clients, pause_s, next_request):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        numbers, told = itertools.count(), []

        def client():
            wire = Client(port)
            self.go.wait()
            while not self.over.is_set():
                method, path, more = next_request(next(numbers))
                at = time.monotonic()
                try:
                    answer = wire.call(method, API + path if path != "/healthz" else path, **more)
                    told.append(Told(at, time.monotonic() - at, answer.status, answer.code))
                except (OSError, http.client.HTTPException) as error:
                    wire.close()
                    told.append(Told(at, time.monotonic() - at, 0, type(error).__name__))
                time.sleep(pause_s)

        threads = [threading.Thread(target=client) for _ in range(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.out.put(told)

    def end(self):
        """What they were told."""
        self.over.set()
        told = self.out.get(timeout=40)
        self.process.join()
        return told


def percentile(told, share):
    times = sorted(t.took_s for t in told)
    return times[min(len(times) - 1, int(len(times) * share))]


def describe(name, told):
    answers = dict(collections.Counter(f"{t.status} {t.code or ''}".strip() for t in told))
    tap.note(
        f"{name}: {len(told)} answers {answers}, median {percentile(told, .5) * 1000:.0f} ms,"
        f" p99 {percentile(told, .99) * 1000:.0f} ms,"
        f" longest {max(t.took_s for t in told) * 1000:.0f} ms"
    )


class Bystanders:
    """Those who must not notice: who joins another concert and charges, who reads, and who looks
    whether it lives."""

    def __init__(self, host, concert, first_user):
        reader = Client(host.port)
        token = expect(
            reader.call("POST", f"{API}/concerts/{concert}/queue", access=access_key(first_user)),
            201,
        )["token"]
        user_id = hashlib.md5(str(first_user).encode()).hexdigest()
        user_id = "-".join(
            (user_id[:8], user_id[8:12], user_id[12:16], user_id[16:20], user_id[20:])
        )

        def write(n):
            if n % 2:
                more = {"access": access_key(first_user), "body": {"amount": 1}, "key": f"b{n}"}
                return "POST", f"/users/{user_id}/balance/charges", more
            return (
                "POST",
                f"/concerts/{concert}/queue",
                {"access": access_key(first_user + 1 + n // 2)},
            )

        def read(n):
            return (
                ("GET", f"/concerts/{concert}/queue", {"token": token}),
                ("GET", f"/users/{user_id}/balance", {"access": access_key(first_user)}),
                ("GET", f"/concerts/{concert}", {}),
            )[n % 3]

        self.crowds = {
            "other concerts' writes": Crowd(host.port, 4, 0.01, write),
            "reads": Crowd(host.port, 2, 0.01, read),
            "health": Crowd(host.port, 1, 0.01, lambda n: ("GET", "/healthz", {})),
        }
        for crowd in self.crowds.values():
            crowd.go.set()
        time.sleep(1.5)

    def end(self, since):
        """Tells what they saw. What is wrong with it, beside the calm before `since`: a busy
        machine is nobody's fault."""
        wrong = []
        for name, crowd in self.crowds.items():
            told = crowd.end()
            calm, during = [t for t in told if t.at < since], [t for t in told if t.at >= since]
            describe(name + ", in the calm before", calm)
            describe(name, during)
            late = [t for t in during if t.took_s > 1]
            if any(t.status not in (200, 201) for t in told):
                wrong.append(f"{name}: not all were answered well")
            if percentile(during, 0.99) > max(0.2, 3 * percentile(calm, 0.99)):
                wrong.append(f"{name}: kept waiting")
            # A few writes are in the hands of the writer that stands still, or behind those that
            # wait there.
            if len(late) > (len(during) // 100 + 1 if "writes" in name else 0):
                wrong.append(f"{name}: {len(late)} were kept waiting for long")
            if len(told) < 100:
                wrong.append(f"{name}: {len(told)} answers only")
        return wrong


def joins_of(host, concert, clients, first_user):
    return Crowd(
        host.port,
        clients,
        0.1,
        lambda n: (
            "POST",
            f"/concerts/{concert}/queue",
            {"access": access_key(first_user + n), "key": "k"},
        ),
    )


def add_concert(host, title):
    return host.ctl("concert", "add", "--title", title, "--max-active", 5)["concertId"]


@test
def a_service_with_two_concerts():
    host = state["host"] = stack.Stack().ready()
    state["stuck"], state["other"] = add_concert(host, "Stuck"), add_concert(host, "Other")
    sql(
        host,
        "INSERT INTO user SELECT UNHEX(MD5(seq)), 'stuck',"
        " UNHEX(SHA2(UNHEX(SHA2(CONCAT('s', seq), 256)), 256)), 0, 1"
        f" FROM seq_1_to_{USERS}",
    )


def waiting_pid(host):
    """Who waits for the database since a while."""
    status = expect(Client(host.port).call("GET", "/status"), 200)
    waiting = [
        w["pid"]
        for w in status["workers"] + status.get("writers", [])
        if w["state"] == "busy" and w["busyMs"] > 300
    ]
    return waiting[0] if waiting else None


@contextlib.contextmanager
def frozen_in_a_transaction(host, concert, user):
    """A writer whose load was answered while it stood still: its transaction holds the concert's
    row, and who was frozen does not go on with it. Yields (pid, since when, the answers that its client
    gets)."""
    answers = []
    path = f"{API}/concerts/{concert}/queue"
    client = threading.Thread(
        target=lambda: answers.append(
            Client(host.port, timeout_s=60).call(
                "POST", path, access=access_key(user), key="frozen"
            )
        )
    )
    with host.locked(queue_row(concert)):
        client.start()
        pid = stack.wait_for(lambda: waiting_pid(host), 5, "somebody waits for the row")
        os.kill(pid, signal.SIGSTOP)
        stack.wait_for(
            lambda: open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] == "T",
            5,
            "it stands still",
        )
    try:
        stack.wait_for(
            lambda: sql(host, IDLE) != "0", 2, "a transaction with locks that nobody goes on with"
        )
        yield pid, time.monotonic(), answers
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        client.join()


@test
def a_writer_frozen_in_the_middle_holds_no_lock_for_long():
    host, concert = state["host"], state["stuck"]
    bystanders = Bystanders(host, state["other"], 1)
    crowd = joins_of(host, concert, CLIENTS, 10001)
    with frozen_in_a_transaction(host, concert, 10000) as (pid, since, answers):
        crowd.go.set()
        stack.wait_for(lambda: sql(host, IDLE) == "0", 60, "its locks are let go", every=0.1)
        held_s = time.monotonic() - since
        time.sleep(2)
        told = crowd.end()
    joined = [t for t in told if t.status == 201]
    first_s = min((t.at + t.took_s - since for t in joined), default=999)
    tap.note(f"locks were held for {held_s:.1f} s; the first join after {first_s:.1f} s")
    describe("joins of the concert", told)
    wrong = bystanders.end(since - 1)
    # Who was frozen goes on and finds its transaction gone: it is run again, or its client may ask
    # again.
    tap.note(
        f"the client of the frozen one: {answers[0].status} {answers[0].code or ''}"
        f" after {answers[0].took_s:.1f} s"
    )
    assert answers[0].status == 201 or answers[0].code in ("DATABASE_UNAVAILABLE", "BUSY"), answers[
        0
    ]
    again = Client(host.port).call(
        "POST", f"{API}/concerts/{concert}/queue", access=access_key(10000), key="frozen"
    )
    assert again.status == 201 and again.replayed == (answers[0].status == 201), again
    assert (
        sql(host, "SELECT COUNT(*) FROM place WHERE user_id = UNHEX(MD5(10000))") == "1"
    ), "one place"
    assert held_s < IDLE_S + 1.5, f"locks were held for {held_s:.1f} s"
    assert first_s < IDLE_S + 2, f"the first join after {first_s:.1f} s"
    assert all(
        t.status == 201 or (t.status, t.code) == (503, "BUSY") for t in told
    ), "joined or BUSY"
    assert not wrong, wrong


@test
def a_row_that_is_locked_for_long_keeps_back_its_own_clients_only():
    host, concert = state["host"], state["stuck"]
    bystanders = Bystanders(host, state["other"], 5000)
    crowd = joins_of(host, concert, CLIENTS, 15000)
    since = time.monotonic()
    with host.locked(queue_row(concert)):
        crowd.go.set()
        time.sleep(LOCKED_S)
    free = time.monotonic()
    time.sleep(4)
    told = crowd.end()
    describe("joins of the concert", told)
    first_s = min((t.at + t.took_s - free for t in told if t.status == 201), default=999)
    after = [t for t in told if t.at > free + 1]
    tap.note(
        f"the first join {first_s:.1f} s after the row was free; of those that came a second later"
        f" {len(after)} answers, {sum(t.status == 201 for t in after)} joined"
    )
    wrong = bystanders.end(since)
    assert all(
        t.status == 201 or (t.status, t.code) == (503, "BUSY") for t in told
    ), "joined or BUSY"
    assert max(t.took_s for t in told) < 15, "in their time"
    assert (
        first_s < 2 and after and sum(t.status == 201 for t in after) > len(after) * 0.9
    ), "joins go on"
    assert not wrong, wrong


@test
def the_audit_replays_it():
    done = state["host"].ctl_raw("audit", timeout=600)
    tap.note(done.stdout + done.stderr)
    assert done.returncode == 0


if __name__ == "__main__":
    sys.exit(1 if tap.run(wanted=[]) else 0)
