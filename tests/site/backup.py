#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""Backup of a live sale, restored elsewhere: the audit passes there, row by row it is the same. Speaks TAP."""
import gzip
import os
import signal
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import stack
import tap
from client import Client, User, expect
from tap import test

BACKUP = os.path.join(stack.TOP_SRCDIR, "sql", "boxoffice-backup")
APPENDED = ["queue_event", "reservation_event", "payment", "balance_entry", "place", "reservation", "user"]  # these only grow
live = copy = None


class Database:
    """Another MariaDB, with an empty database in it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="boxoffice-copy-")
        self.config = os.path.join(self.folder, "boxoffice.conf")
        env = {k: v for k, v in os.environ.items() if not k.startswith("BOXOFFICE_")}
        self.process = subprocess.Popen([os.path.join(stack.TOP_SRCDIR, "tests", "stack"), "database", self.folder], env={**env, "STACK_FAST": "1"},
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        preexec_fn=lambda: stack._libc.prctl(1, signal.SIGTERM))
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line.startswith("database ready"):
                return
        raise AssertionError("no second database:\n" + "".join(said))

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)


def setting(config, name):
    with open(config, encoding="utf-8") as f:
        return dict(line.rstrip("\n").split(" = ", 1) for line in f if " = " in line)[name]


def sql(config, statements, database="boxoffice"):
    """Rows of words, as the administrator."""
    done = subprocess.run(["mariadb", "--no-defaults", "-NB", "--user=root", "--socket=" + setting(config, "database_socket"), database],
                          input=statements, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def tables(config):
    return [t for t, in sql(config, "SHOW TABLES")]


def counts(config):
    return {t: int(sql(config, f"SELECT COUNT(*) FROM {t}")[0][0]) for t in tables(config)}


def backup(config, *args):
    return subprocess.run([BACKUP, "--config", config, *args], capture_output=True, text=True, timeout=120)


def done(process):
    assert process.returncode == 0, f"exit {process.returncode}: {process.stdout}{process.stderr}"
    return process


def path(name):
    return os.path.join(live.folder, name)


def emptied():
    sql(copy.config, "DROP DATABASE boxoffice; CREATE DATABASE boxoffice CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "mysql")


def audit(config):
    return done(subprocess.run([os.path.join(stack.TOP_BUILDDIR, "boxofficectl"), "--config", config, "audit"], capture_output=True, text=True, timeout=120)).stdout


class Buyers:
    """A few who buy without end, each in a thread: every answer must be a good one."""

    def __init__(self, concert, performance, number):
        self.going, self.bought, self.failed = True, 0, []
        self.threads = [threading.Thread(target=self.run, args=(concert, performance, n), daemon=True) for n in range(number)]
        for t in self.threads:
            t.start()

    def run(self, concert, performance, number):
        seat = number * 400
        try:
            while self.going:
                who = User(live.port, balance=1000)
                expect(who.join(concert, key="j"), 201)
                seat += 1
                expect(who.pay(concert, expect(who.hold(concert, performance, seat, key="h"), 201)["reservationId"], key="p"), 201)
                self.bought += 1
                who.close()
        except Exception as error:
            self.failed.append(error)

    def stop(self):
        self.going = False
        for t in self.threads:
            t.join(40)
        assert not self.failed, self.failed[0]


@test
def a_live_sale_is_dumped_and_restored_elsewhere():
    c = live.ctl("concert", "add", "--title", "백업 'quoted' \\", "--max-active", 1000)["concertId"]
    p = live.ctl("performance", "add", c, "--starts-at", "2099-01-01T00:00:00Z", "--venue", "V", "--price", 1000, "--seats", 4000)["performanceId"]
    buyers = Buyers(c, p, 6)
    try:
        stack.wait_for(lambda: buyers.bought > 50 or buyers.failed, 60, "a sale that runs")
        before, bought, began = counts(live.config), buyers.bought, time.monotonic()
        done(backup(live.config, "dump", path("live.gz")))
        took_s, meanwhile = time.monotonic() - began, buyers.bought - bought
        after = counts(live.config)
    finally:
        buyers.stop()
    assert meanwhile > 0, "nobody bought during the dump: no live system"
    assert os.stat(path("live.gz")).st_mode & 0o077 == 0, "others can read it"
    began = time.monotonic()
    done(backup(copy.config, "restore", path("live.gz")))
    tap.note(f"dump {took_s:.2f} s, {os.path.getsize(path('live.gz'))} bytes, {meanwhile} purchases meanwhile; restore {time.monotonic() - began:.2f} s")
    restored = counts(copy.config)
    assert set(restored) == set(before)
    for table in APPENDED:
        tap.note(f"{table}: {before[table]} rows before, {restored[table]} in the copy, {after[table]} after")
        assert before[table] <= restored[table] <= after[table], table
    assert restored["payment"] > 0 and restored["seat"] == 4000
    for line in audit(copy.config).splitlines():
        tap.note(line)


@test
def a_database_with_data_is_not_restored_into():
    before = counts(copy.config)
    refused = backup(copy.config, "restore", path("live.gz"))
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1 and "tables already" in refused.stderr, refused
    assert counts(copy.config) == before


@test
def a_dump_that_is_not_whole_is_not_restored():
    emptied()
    with open(path("live.gz"), "rb") as f:
        whole = f.read()
    text = gzip.decompress(whole)
    for name, data in (("cut.gz", whole[:len(whole) // 2]), ("short.gz", gzip.compress(text[:len(text) // 2])), ("text.gz", b"no dump")):
        with open(path(name), "wb") as f:
            f.write(data)
        refused = backup(copy.config, "restore", path(name))
        assert refused.returncode == 1 and refused.stderr.count("\n") == 1 and "not a whole dump" in refused.stderr, refused
        assert not tables(copy.config)
    lost = backup(copy.config, "restore", path("none.gz"))
    assert lost.returncode == 2 and lost.stderr.count("\n") == 1, lost


@test
def a_dump_that_fails_leaves_nothing():
    with open(path("wrong.conf"), "w", encoding="utf-8") as f:
        f.write("database_socket = /nowhere.sock\n")
    failed = backup(path("wrong.conf"), "dump", path("wrong.gz"))
    assert failed.returncode == 2 and not os.path.exists(path("wrong.gz")) and not os.path.exists(path("wrong.gz.part")), failed
    again = backup(live.config, "dump", path("live.gz"))
    assert again.returncode == 1 and "already" in again.stderr, again


@test
def a_dump_of_a_quiet_system_is_the_same_row_by_row():
    emptied()
    # Holds run out and old answers go while a service runs.
    live.kill("fcgi", signal.SIGSTOP)
    try:
        for child in subprocess.run(["pgrep", "-P", str(live.pid("fcgi"))], capture_output=True, text=True, check=True).stdout.split():
            os.kill(int(child), signal.SIGSTOP)
        done(backup(live.config, "dump", path("quiet.gz")))
        done(backup(copy.config, "restore", path("quiet.gz")))
        names = tables(live.config)
        one, other = (sql(c, f"CHECKSUM TABLE {', '.join(names)}; SELECT table_name, auto_increment FROM information_schema.tables WHERE table_schema = 'boxoffice'"
                             " ORDER BY 1; SELECT routine_name, MD5(routine_definition), security_type FROM information_schema.routines"
                             " WHERE routine_schema = 'boxoffice' ORDER BY 1") for c in (live.config, copy.config))
    finally:
        for child in subprocess.run(["pgrep", "-P", str(live.pid("fcgi"))], capture_output=True, text=True, check=True).stdout.split():
            os.kill(int(child), signal.SIGCONT)
        live.kill("fcgi", signal.SIGCONT)
    assert one == other, f"{[row for row in one if row not in other]} became {[row for row in other if row not in one]}"
    assert len(names) > 10, names
    assert any(len(row) == 3 for row in one), "no procedures"
    assert counts(live.config) == counts(copy.config)


@test
def a_service_runs_on_the_copy():
    with stack.Stack(database=copy, workers=2) as host:
        titles = [c["title"] for c in expect(Client(host.port).call("GET", "/api/v1/concerts"), 200)["items"]]
        assert titles == ["백업 'quoted' \\"], titles
        who = User(host.port, balance=1000)
        expect(who.join(1), 201)
        expect(who.pay(1, expect(who.hold(1, 1, 3999), 201)["reservationId"]), 201)
        audit(host.config)


if __name__ == "__main__":
    try:
        live = stack.Stack(workers=4).ready()
        copy = Database()
        failed = tap.run()
    finally:
        if copy:
            copy.stop()
        stack.stop_all()
    sys.exit(1 if failed else 0)
