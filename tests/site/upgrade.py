#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""An upgrade with a migration while clients buy: no request fails. Speaks TAP.

The next release is the same program, built to need the migration that is made here. Its socket is kept open by what plays
the service manager, as systemd keeps boxoffice.socket.
"""
import os
import shutil
import signal
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

MIGRATION = """-- 900: what a release may bring: a column of a table that is being written to, another table.
ALTER TABLE reservation ADD COLUMN IF NOT EXISTS note VARCHAR(100) NULL COMMENT 'a test';
ALTER TABLE concert ADD COLUMN IF NOT EXISTS subtitle VARCHAR(200) NOT NULL DEFAULT '' COMMENT 'a test', ADD KEY IF NOT EXISTS concert_by_title (title);
CREATE TABLE IF NOT EXISTS venue (venue_id BIGINT UNSIGNED NOT NULL COMMENT 'a test', PRIMARY KEY (venue_id)) ENGINE=InnoDB COMMENT='a test';
"""

MANAGER = '''#!/usr/bin/python3
"""Keeps the two sockets and runs `current` with it. USR1: ends it and starts what is `current` then."""
import os, signal, socket, sys
here, config = os.path.dirname(os.path.abspath(__file__)), sys.argv[sys.argv.index("--config") + 1]
path = next(line.split(" = ")[1].strip() for line in open(config) if line.startswith("listen_socket"))
kept = []
for name in (path, path + ".writers"):
    s = socket.socket(socket.AF_UNIX)
    if os.path.exists(name):
        os.unlink(name)
    s.bind(name)
    s.listen(4096)
    kept.append(os.dup2(s.fileno(), 100 + len(kept)))  # out of the way of 3 and 4
wanted = {signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)

def start():
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, wanted)
        for i, fd in enumerate(kept):
            os.dup2(fd, 3 + i)
        program = os.path.realpath(os.path.join(here, "current"))
        os.execve(program, [program, "--config", config], {**os.environ, "LISTEN_FDS": "2", "LISTEN_PID": str(os.getpid())})
    return pid

pid = start()
while True:
    got = signal.sigwait(wanted)
    if got == signal.SIGHUP:
        os.kill(pid, got)
    elif got == signal.SIGCHLD:
        if os.waitpid(pid, os.WNOHANG)[0]:
            sys.exit("it left by itself")
    else:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        if got == signal.SIGTERM:
            sys.exit(0)
        pid = start()
'''

release = tempfile.mkdtemp(prefix="boxoffice-release-")
built = stack.TOP_BUILDDIR
host = None


class Clients:
    """Some who buy, some who wait and ask; every answer is looked at."""

    def __init__(self, concert, performance, waiting, buyers=5, waiters=3):
        self.going, self.answers, self.worst_s, self.failed = True, 0, 0.0, []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(self.buy, concert, performance, n), daemon=True) for n in range(buyers)]
        self.threads += [threading.Thread(target=self.run, args=(self.wait, waiting), daemon=True) for _ in range(waiters)]
        for t in self.threads:
            t.start()

    def see(self, answer):
        with self.lock:
            self.answers += 1
            self.worst_s = max(self.worst_s, answer.took_s)
        if answer.status >= 400:
            raise AssertionError(str(answer))

    def run(self, act, *args):
        try:
            act(*args)
        except Exception as error:
            self.failed.append(error)

    def buy(self, c, p, number):
        seat = number * 1000
        while self.going:
            who = User(host.port, watch=self.see, balance=1000)
            who.join(c)
            seat += 1
            # Without keys on purpose: nothing is sent twice.
            paid = who.pay(c, expect(who.hold(c, p, seat), 201)["reservationId"])
            expect(who.reservation(expect(paid, 201)["reservationId"]), 200)
            expect(who.balance(), 200)
            who.close()

    def wait(self, c):
        who = User(host.port, watch=self.see)
        who.join(c)
        while self.going:
            assert expect(who.place(c), 200)["status"] == "WAITING"
            who.call("GET", "/api/v1/concerts")
            time.sleep(0.01)

    def more(self, number):
        """Until so many more answers have come."""
        wanted = self.answers + number
        stack.wait_for(lambda: self.answers >= wanted or self.failed, 60, f"{number} more answers")
        assert not self.failed, self.failed[0]

    def stop(self):
        self.going = False
        for t in self.threads:
            t.join(40)


def running():
    """The service's process: the child of what keeps the socket."""
    with open(f"/proc/{host.pid('fcgi')}/task/{host.pid('fcgi')}/children", encoding="ascii") as f:
        return (f.read().split() or ["0"])[0]


def started(program):
    """What a start of that release says, when it does not go."""
    return subprocess.run([program, "--config", host.config], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)


def ctl(*args):
    return subprocess.run([os.path.join(built, "boxofficectl"), "--config", host.config, *args], capture_output=True, text=True, timeout=60)


def program(pid):
    """The file that it runs; None when it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None


@test
def no_request_fails_while_a_release_with_a_migration_is_put_in():
    old, new = os.path.join(built, "boxoffice-fcgi"), os.path.join(built, "tests", "site", "next-release")
    c = host.ctl("concert", "add", "--title", "Upgrade", "--max-active", 1000)["concertId"]
    p = host.ctl("performance", "add", c, "--starts-at", "2099-01-01T00:00:00Z", "--venue", "V", "--price", 1000, "--seats", 5000)["performanceId"]
    waiting = host.ctl("concert", "add", "--title", "Waiting", "--max-active", 0)["concertId"]
    refused = started(new)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1 and "run boxofficectl migrate" in refused.stderr, refused
    clients = Clients(c, p, waiting)
    try:
        clients.more(300)
        # The new release is installed: its migrations, its program. The old one runs on.
        with open(os.path.join(release, "sql", "tables", "900_test.sql"), "w", encoding="utf-8") as f:
            f.write(MIGRATION)
        os.symlink(new, os.path.join(release, "next"))
        os.rename(os.path.join(release, "next"), os.path.join(release, "current"))
        began = time.monotonic()
        done = ctl("migrate")
        assert done.returncode == 0 and done.stdout == "schema version 900, 1 migrations run\n", done
        tap.note(f"migrated in {time.monotonic() - began:.2f} s")
        with open(os.path.join(stack.TOP_SRCDIR, "sql", "grants.sql"), "rb") as f:
            subprocess.run(["mariadb", "--no-defaults", "--user=root", "--socket=" + host.setting("database_socket")], stdin=f, check=True, timeout=60)
        clients.more(300)
        assert "install the newer release" in started(old).stderr
        # The old program goes on with the new schema, its workers new ones.
        before = {w["pid"] for w in Client(host.port).call("GET", "/status").json["workers"]}
        host.kill("fcgi", signal.SIGHUP)
        stack.wait_for(lambda: before.isdisjoint(w["pid"] for w in Client(host.port).call("GET", "/status").json["workers"]), 30, "all workers are new")
        clients.more(300)
        host.kill("fcgi", signal.SIGUSR1)
        stack.wait_for(lambda: os.path.exists(new) and program(running()) == os.path.realpath(new), 30, "the new program runs")
        clients.more(600)
    finally:
        clients.stop()
    assert not clients.failed, clients.failed[0]
    tap.note(f"{clients.answers} answers, none of them a refusal; the slowest took {clients.worst_s * 1000:.0f} ms")
    assert ctl("migrate", "--pending").returncode == 1, "this boxofficectl is of the old release"
    audit = ctl("audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr


if __name__ == "__main__":
    try:
        shutil.copytree(os.path.join(stack.TOP_SRCDIR, "sql"), os.path.join(release, "sql"))
        os.chmod(os.path.join(release, "sql", "tables"), 0o755)  # the source folder may be read-only
        with open(os.path.join(release, "boxoffice-fcgi"), "w", encoding="utf-8") as f:
            f.write(MANAGER)
        os.chmod(os.path.join(release, "boxoffice-fcgi"), 0o755)
        os.symlink(os.path.join(built, "boxoffice-fcgi"), os.path.join(release, "current"))
        os.symlink(os.path.join(built, "boxofficectl"), os.path.join(release, "boxofficectl"))
        stack.TOP_BUILDDIR = release
        host = stack.Stack(workers=6, sql_dir=os.path.join(release, "sql")).ready()
        failed = tap.run()
    finally:
        stack.stop_all()
        shutil.rmtree(release, ignore_errors=True)
    sys.exit(1 if failed else 0)
