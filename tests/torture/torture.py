#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""Torture: buyers who check every answer, while readers, writers, ticker, master, nginx and MariaDB are killed with -9 at random
moments, on durable settings. Then every acknowledged answer is compared with what is stored, and the audit replays
it all. Speaks TAP.

    tests/torture/torture.py        30 seconds; `make torture SECONDS=300` for the long form
"""
import collections
import http.client
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import stack
import tap
from client import API, Client
from tap import test

SECONDS = float(os.environ.get("TORTURE_SECONDS") or 20)
PROCESSES, THREADS, SEATS, PRICE = 3, 5, 20000, 700


class GaveUp(Exception):
    """The pass or the hold ran out while something was down: not an error, but no sale either."""


class Buyer:
    """One person's sale. `told` is what was acknowledged: that must be there in the end."""

    def __init__(self, port, number, seen):
        self.wire, self.number, self.seen = Client(port, timeout_s=30), number, seen
        self.keys, self.balance, self.entries = 0, 0, 0
        self.payments, self.cancelled = [], []

    def ask(self, method, path, want, body=None, **more):
        """The same request until it is answered; 503, 429 and lost connections are tried again."""
        answer = None
        for _ in range(400):
            try:
                answer = self.wire.call(method, API + path, body, **more)
            except (OSError, http.client.HTTPException) as error:
                answer = repr(error)
                self.wire.close()
                self.seen["connection"] += 1
                time.sleep(0.05 + random.random() * 0.1)
                continue
            self.seen[answer.status] += 1
            if answer.status in (429, 503):
                assert answer.header("Retry-After"), f"no Retry-After: {answer}"
                time.sleep(0.05 + random.random() * 0.1)
                continue
            if answer.code in ("QUEUE_TOKEN_EXPIRED", "HOLD_EXPIRED"):
                raise GaveUp()
            assert answer.status in want, f"{method} {path}: {answer}"
            return answer
        raise AssertionError(f"{method} {path}: no answer in 400 attempts; the last one: {answer}")

    def key(self):
        self.keys += 1
        return f"k{self.keys}"

    def charge(self, amount):
        answer = self.ask("POST", f"/users/{self.user}/balance/charges", (201,), {"amount": amount}, access=self.access, key=self.key())
        self.balance += amount
        self.entries += 1
        assert answer.json["balance"] == self.balance, f"{answer}, the model says {self.balance}"

    def let_in(self, concert):
        place = self.ask("POST", f"/concerts/{concert}/queue", (200, 201), access=self.access).json
        self.token = place["token"]
        while place["status"] == "WAITING":
            time.sleep(0.1)
            place = self.ask("GET", f"/concerts/{concert}/queue", (200,), token=self.token).json
        if place["status"] != "ACTIVE":
            raise GaveUp()

    def hold(self, performance):
        for _ in range(20):
            seats = random.sample(range(1, SEATS + 1), random.randint(1, 3))
            answer = self.ask("POST", f"/performances/{performance}/reservations", (201, 409), {"seatNumbers": seats}, token=self.token, key=self.key())
            if answer.status == 201:
                return answer.json
            assert answer.code == "SEAT_TAKEN", answer
        raise GaveUp()

    def pay(self, held):
        key = self.key()
        first = self.ask("POST", f"/reservations/{held['reservationId']}/payment", (201,), access=self.access, token=self.token, key=key)
        self.balance -= held["amount"]
        self.entries += 1
        self.payments.append(first.json)
        assert first.json["balance"] == self.balance and first.json["seatNumbers"] == held["seatNumbers"], first
        again = self.ask("POST", f"/reservations/{held['reservationId']}/payment", (201,), access=self.access, token=self.token, key=key)
        assert again.raw == first.raw, f"{again.raw} is not {first.raw}"

    def cancel(self, held):
        self.ask("POST", f"/reservations/{held['reservationId']}/cancellation", (200,), access=self.access, key=self.key())
        self.balance += held["amount"]
        self.entries += 1
        self.cancelled.append(held["reservationId"])

    def run(self, concert, performance):
        made = self.ask("POST", "/users", (201,), {"name": f"Buyer {self.number}"}).json
        self.user, self.access = made["userId"], made["accessKey"]
        try:
            self.charge(random.randint(3, 20) * PRICE)
            self.let_in(concert)
            held = self.hold(performance)
            self.pay(held)
            if random.random() < 0.2:
                self.cancel(held)
        except GaveUp:
            self.seen["gave up"] += 1
        return {"user": self.user, "access": self.access, "balance": self.balance, "entries": self.entries,
                "payments": self.payments, "cancelled": self.cancelled}


def crowd(number, port, concert, performance, until, out):
    result = {"told": [], "wrong": [], "seen": collections.Counter()}
    lock = threading.Lock()

    def client(k):
        seen, n = collections.Counter(), 0
        while time.time() < until:
            n += 1
            try:
                told = Buyer(port, f"{number}.{k}.{n}", seen).run(concert, performance)
                with lock:
                    result["told"].append(told)
            except Exception as wrong:  # noqa: BLE001  told, and the run fails
                with lock:
                    result["wrong"].append(f"{type(wrong).__name__}: {wrong}"[:500])
        with lock:
            result["seen"].update(seen)
    threads = [threading.Thread(target=client, args=(k,)) for k in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    out.put(result)


# By their process titles; the others have a pid file.
TITLES = {"writer": "boxoffice-fcgi: writer ", "reader": "boxoffice-fcgi: worker ", "ticker": "boxoffice-fcgi: ticker"}


def kill_something(host, kills):
    """A writer, a reader, the ticker, the master, nginx or the database."""
    what = random.choices(("writer", "reader", "ticker", "fcgi", "nginx", "mariadbd"), (6, 3, 2, 2, 2, 3))[0]
    try:
        if what in TITLES:
            found = subprocess.run(["pgrep", "-P", str(host.pid("fcgi"))], capture_output=True, text=True).stdout.split()
            titled = [int(p) for p in found if open(f"/proc/{p}/cmdline").read().startswith(TITLES[what])]
            os.kill(random.choice(titled), signal.SIGKILL)
        else:
            host.kill(what)
    except (OSError, IndexError, AssertionError):
        return  # down already
    kills[what] += 1


state = {}


@test
def buyers_are_told_the_truth_while_everything_is_killed():
    host = state["host"] = stack.Stack(fast=False, active_ttl_ms=60000, claim_ttl_ms=20000, hold_ttl_ms=60000, workers=8).ready()
    concert = host.ctl("concert", "add", "--title", "Torture", "--max-active", 10)["concertId"]
    performance = host.ctl("performance", "add", concert, "--starts-at", "2099-01-01T00:00:00Z", "--venue", "V", "--price", PRICE,
                           "--seats", SEATS)["performanceId"]
    out, until, kills, results = multiprocessing.Queue(), time.time() + SECONDS, collections.Counter(), []
    crowds = [multiprocessing.Process(target=crowd, args=(n, host.port, concert, performance, until, out)) for n in range(PROCESSES)]
    for p in crowds:
        p.start()
    while len(results) < PROCESSES:
        try:
            results.append(out.get(timeout=random.uniform(0.3, 1.2)))
        except Exception:  # noqa: BLE001  nothing yet
            if time.time() < until - 2:
                kill_something(host, kills)
    for p in crowds:
        p.join()
    state["told"] = [t for r in results for t in r["told"]]
    wrong = [w for r in results for w in r["wrong"]]
    seen = sum((r["seen"] for r in results), collections.Counter())
    tap.note(f"{SECONDS:.0f} s: {sum(kills.values())} kills {dict(kills)}; {sum(len(t['payments']) for t in state['told'])} sales and "
             f"{sum(len(t['cancelled']) for t in state['told'])} cancellations acknowledged; answers {dict(seen)}")
    assert kills and state["told"], "nothing happened"
    assert SECONDS < 20 or kills["writer"], "no writer was killed: is its title another?"
    assert not wrong, f"{len(wrong)} wrong, among them {wrong[:3]}"
    assert not [s for s in seen if isinstance(s, int) and s >= 500 and s != 503], f"server errors: {seen}"


@test
def every_acknowledged_answer_is_in_the_rows():
    host, lost = state["host"], []
    buyer = Buyer(host.port, "after", collections.Counter())
    for t in state["told"]:
        balance = buyer.ask("GET", f"/users/{t['user']}/balance", (200,), access=t["access"]).json["balance"]
        history = buyer.ask("GET", f"/users/{t['user']}/balance/history?limit=100", (200,), access=t["access"]).json["items"]
        for p in t["payments"]:
            stored = buyer.ask("GET", f"/payments/{p['paymentId']}", (200, 404), access=t["access"]).json
            if stored != p:
                lost.append((p, stored))
        # Somebody who gave up may have done more than was acknowledged; nobody less, and nothing twice.
        if balance != sum(e["amount"] for e in history) or (t["payments"] and (balance != t["balance"] or len(history) != t["entries"])):
            lost.append((t, balance, history))
    tap.note(f"{len(state['told'])} buyers compared, lost: {len(lost)}")
    assert not lost, lost[:2]


@test
def the_audit_finds_nothing():
    done = state["host"].ctl_raw("audit", timeout=600)
    tap.note(done.stdout + done.stderr)
    assert done.returncode == 0


if __name__ == "__main__":
    sys.exit(1 if tap.run(wanted=[]) else 0)
