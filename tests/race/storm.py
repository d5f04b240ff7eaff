#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""A storm of joins on one concert from two hosts with one database, while workers and tickers of both are killed
with -9: with people who leave, people who never show up, and people who do. Then what was answered is compared
with the rows, and the audit replays them. Speaks TAP.

    tests/race/storm.py [JOINS]      3000 in the suite; `make storm JOINS=100000` for the long form
"""
import base64
import collections
import hashlib
import http.client
import json
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
from tap import test

JOINS = int(os.environ.get("JOINS") or (sys.argv[1] if len(sys.argv) > 1 else 3000))
PROCESSES, THREADS, CAP = 4, 6, 200
CLAIM_S, ACTIVE_S = 0.7, 1.5
CONCERT = "/api/v1/concerts/%d/queue"


def access_key(i):
    raw = hashlib.md5(str(i).encode()).digest() + hashlib.sha256(f"s{i}".encode()).digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Wire:
    """A kept connection. What fails is tried again, as a client would: the same user, so the same place."""

    def __init__(self, port, seen):
        self.port, self.seen, self.c = port, seen, None

    def call(self, method, path, headers):
        for attempt in range(200):
            try:
                if self.c is None:
                    self.c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
                self.c.request(method, path, headers=headers)
                got = self.c.getresponse()
                raw = got.read()
            except (OSError, http.client.HTTPException):
                self.c = None
                self.seen["connection"] += 1
                continue
            self.seen[got.status] += 1
            if got.status in (429, 503):
                if not got.getheader("Retry-After"):
                    self.seen["no Retry-After"] += 1
                time.sleep(0.05 + random.random() * 0.1)
                continue
            return got.status, json.loads(raw) if raw else None
        raise AssertionError(f"{method} {path}: no answer in 200 attempts")


def one(wire, concert, i, result):
    """Joins; then, by i: leaves at once, follows the place to its end, or is never seen again."""
    path = CONCERT % concert
    status, place = wire.call("POST", path, {"Authorization": "Bearer " + access_key(i), "Content-Length": "0"})
    if status not in (200, 201):
        result["wrong"].append(f"join of user {i}: {status} {place}")
        return
    result["numbers"].append((i, place["number"]))
    token = {"Queue-Token": place["token"]}
    if i % 10 == 0:
        status, _ = wire.call("DELETE", path, token)
        if status != 204:
            result["wrong"].append(f"leave of user {i}: {status}")
        return
    if i % 50 != 1:
        return
    ahead = place["ahead"]
    for _ in range(20):
        status, now = wire.call("GET", path, token)
        if status != 200 or now["number"] != place["number"]:
            result["wrong"].append(f"place of user {i}: {status} {now}")
            return
        if now["ahead"] > ahead:
            result["wrong"].append(f"ahead of user {i} grew from {ahead} to {now['ahead']}")
        ahead = now["ahead"]
        if now["status"] != "WAITING":
            return
        time.sleep(0.05)


def crowd(number, ports, concert, out):
    result = {"numbers": [], "wrong": [], "seen": collections.Counter()}
    users = iter(range(1 + number, JOINS + 1, PROCESSES))
    lock = threading.Lock()

    def client(k):
        seen = collections.Counter()
        wire = Wire(ports[k % 2], seen)  # each stays with one host
        while True:
            with lock:
                i = next(users, None)
            if i is None:
                break
            try:
                one(wire, concert, i, result)
            except AssertionError as wrong:
                result["wrong"].append(str(wrong))
        with lock:
            result["seen"].update(seen)
    threads = [threading.Thread(target=client, args=(k,)) for k in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    out.put(result)


def children(host):
    """Workers and ticker of a host, by their titles."""
    found = []
    for pid in subprocess.run(["pgrep", "-P", str(host.pid("fcgi"))], capture_output=True, text=True).stdout.split():
        found.append(int(pid))
    return found


state = {}


@test
def a_storm_of_joins_with_kills_on_two_hosts():
    one_host = stack.Stack(fast=False, claim_ttl_ms=int(CLAIM_S * 1000), active_ttl_ms=int(ACTIVE_S * 1000), workers=8).ready()
    other = stack.Stack(database=one_host, claim_ttl_ms=int(CLAIM_S * 1000), active_ttl_ms=int(ACTIVE_S * 1000), workers=8).ready()
    hosts = state["hosts"] = (one_host, other)
    concert = state["concert"] = one_host.ctl("concert", "add", "--title", "Storm", "--max-active", CAP)["concertId"]
    conf = dict(line.strip().split(" = ", 1) for line in open(one_host.config) if " = " in line)
    subprocess.run(["mariadb", "--no-defaults", "-uroot", "-S", conf["database_socket"], "boxoffice", "-e",
                    "INSERT INTO user SELECT UNHEX(MD5(seq)), 'storm', UNHEX(SHA2(UNHEX(SHA2(CONCAT('s', seq), 256)), 256)), 0, 1"
                    f" FROM seq_1_to_{JOINS}"], check=True)
    out = multiprocessing.Queue()
    ports = [h.port for h in hosts]
    crowds = [multiprocessing.Process(target=crowd, args=(n, ports, concert, out)) for n in range(PROCESSES)]
    began = time.monotonic()
    for p in crowds:
        p.start()
    kills, results, next_kill = 0, [], began + 0.3
    while len(results) < PROCESSES:
        try:
            results.append(out.get(timeout=0.1))
        except Exception:
            pass
        if time.monotonic() > next_kill:
            victims = children(random.choice(hosts))
            if victims:
                try:
                    os.kill(random.choice(victims), signal.SIGKILL)
                    kills += 1
                except ProcessLookupError:
                    pass
            next_kill += 0.4
    took = time.monotonic() - began
    for p in crowds:
        p.join()
    wrong = [w for r in results for w in r["wrong"]]
    numbers = [n for r in results for n in r["numbers"]]
    seen = sum((r["seen"] for r in results), collections.Counter())
    tap.note(f"{JOINS} joins in {took:.1f} s ({JOINS / took:.0f}/s), {kills} processes killed, answers {dict(seen)}")
    state["numbers"] = numbers
    assert not wrong, f"{len(wrong)} wrong, among them {wrong[:5]}"
    assert not seen["no Retry-After"], "429 or 503 without Retry-After"
    assert not [s for s in seen if isinstance(s, int) and s >= 500 and s != 503], f"server errors: {seen}"
    assert len(numbers) == JOINS


@test
def every_answered_number_is_unique_and_there_is_no_gap():
    numbers = [n for _, n in state["numbers"]]
    assert len(set(numbers)) == JOINS and min(numbers) == 1 and max(numbers) == JOINS, (len(set(numbers)), min(numbers), max(numbers))


@test
def both_hosts_tell_the_same_in_the_end():
    concert = state["concert"]
    states = [h.ctl("queue", "show", concert) for h in state["hosts"]]
    assert states[0]["tail"] == states[1]["tail"] == JOINS
    for h in state["hosts"]:
        def shown():
            with open(os.path.join(h.folder, "queue", f"{concert}.json")) as f:
                return json.load(f)["tail"] == JOINS
        stack.wait_for(shown, 3, "the queue file")


@test
def a_thousand_tokens_outlive_a_change_of_keys_and_not_the_removal_of_theirs():
    host = state["hosts"][0]
    path = CONCERT % state["concert"]
    keys = dict(line.strip().split(" = ", 1) for line in open(host.config) if " = " in line)["token_keys_file"]
    old = open(keys).read()
    concert = host.ctl("concert", "add", "--title", "Keys", "--max-active", 1)["concertId"]
    path = CONCERT % concert
    seen = collections.Counter()
    wire = Wire(host.port, seen)
    tokens = [wire.call("POST", path, {"Authorization": "Bearer " + access_key(i), "Content-Length": "0"})[1]["token"] for i in range(1, 1001)]

    def change(text):
        with open(keys, "w") as f:
            f.write(text)
        before = set(children(host))
        os.kill(host.pid("fcgi"), signal.SIGHUP)
        stack.wait_for(lambda: len(now := set(children(host))) == len(before) and not now & before, 20, "all workers replaced")

    change("k2 " + "ab" * 32 + "\n" + old)
    refused = [t for t in tokens if wire.call("GET", path, {"Queue-Token": t})[0] != 200]
    assert not refused, f"{len(refused)} tokens of the old key were refused"
    new = wire.call("POST", path, {"Authorization": "Bearer " + access_key(1001), "Content-Length": "0"})[1]["token"]
    assert new.startswith("k2.")
    change("k2 " + "ab" * 32 + "\n")
    answers = collections.Counter(wire.call("GET", path, {"Queue-Token": t})[0] for t in tokens)
    assert answers == {401: 1000}, answers
    assert wire.call("GET", path, {"Queue-Token": new})[0] == 200


@test
def the_audit_replays_it():
    done = state["hosts"][0].ctl_raw("audit", "--fifo", timeout=600)
    tap.note(done.stdout + done.stderr)
    assert done.returncode == 0


if __name__ == "__main__":
    sys.exit(1 if tap.run(wanted=[]) else 0)
