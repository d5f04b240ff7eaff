#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""The service as it is installed: a Debian 12 of its own, booted with systemd, on which the README's installation is
typed line by line; then a sale over HTTPS, and all that goes wrong in a life. Speaks TAP; skipped where the machine can't.

The system is made once, in var/booted (BOOTED_CACHE), with the packages that the README names; each run works in an
overlay on it, in a network of its own, and leaves nothing behind.
"""
import collections
import contextlib
import ctypes
import http.client
import itertools
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import tap
from client import API, Client, User, expect, new_key
from machine import MAKES_S, SLOW_S, Machine, lacking, made
from stack import TOP_BUILDDIR, TOP_SRCDIR, wait_for
from tap import note, test

CACHE = os.environ.get("BOOTED_CACHE") or os.path.join(TOP_BUILDDIR, "var", "booted")
SOURCE = "/usr/local/src/boxoffice"
CLONE_NEWNET = 0x40000000
INSECURE = ssl._create_unverified_context()  # the README's certificate is self-signed

with open(os.path.join(TOP_SRCDIR, "README.md"), encoding="utf-8") as readme:
    README = readme.read()


def block(name):
    """The commands between two marks of the README."""
    found = re.search(rf"<!-- {name} -->\n```sh\n(.*?)```\n<!-- /{name} -->", README, re.DOTALL)
    assert found, f"README.md has no block {name}"
    return found.group(1)


class Box(Machine):
    """The system with the source in it. This process is a client on its own network."""

    def __init__(self, base):
        super().__init__(CACHE, base)
        where = self.root + SOURCE
        os.makedirs(where)
        with subprocess.Popen(["tar", "-C", TOP_SRCDIR, "--exclude=./var", "--exclude=./.git", "--exclude=./autom4te.cache", "--exclude=./configure",
                               "--exclude=./Makefile", "--exclude=./Makefile.in", "--exclude=*.o", "--exclude=*.a", "--exclude=./boxoffice-*", "--exclude=./boxofficectl", "-c", "."],
                              stdout=subprocess.PIPE) as tar:
            run_tar = subprocess.run(["tar", "-C", where, "--no-same-owner", "-x"], stdin=tar.stdout, check=False)
        assert run_tar.returncode == 0, "the source can't be copied"
        self.boot()

    def boot(self):
        super().boot()
        with open(f"/proc/{self.leader}/ns/net", encoding="utf-8") as net:
            # From here on this process is a client on that machine's own network.
            assert ctypes.CDLL(None, use_errno=True).setns(net.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())


## Clients of it.

class Buyer(User):
    """Over HTTPS, as the installed site has it. Each comes from an address of its own, since the site limits what one may ask."""
    addresses = itertools.count(2)

    def __init__(self):
        self.address = f"127.0.0.{next(self.addresses)}"
        Client.__init__(self, 443, tls=True, timeout_s=60)
        made_one = expect(self.call("POST", API + "/users", {"name": "Kim"}), 201)
        self.user_id, self.access, self.tokens = made_one["userId"], made_one["accessKey"], {}
        self.charged = 0

    def _connect(self):
        c = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout_s, context=INSECURE, source_address=(self.address, 0))
        c.connect()
        c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return c


def get(path):
    who = Client(443, tls=True, timeout_s=60)
    try:
        return who.call("GET", path)
    finally:
        who.close()


class Load:
    """Buyers who read and charge all the time, within the site's limits; every answer is counted."""

    def __init__(self, concert, count=8):
        self.buyers = [Buyer() for _ in range(count)]
        for b in self.buyers:
            assert b.join(concert).status == 201
        self.concert = concert
        self.counts = collections.Counter()
        self.bad, self.slowest_s = [], 0.0
        self.lock = threading.Lock()

    def _buyer(self, b, stop):
        turn = 0
        while not stop.is_set():
            turn += 1
            began = time.monotonic()
            try:
                # Of what bears a credential the site takes 20 a second of one buyer, and 2 charges.
                if turn % 60 == 0:
                    answer = b.charge(1, new_key())
                    b.charged += answer.status == 201
                elif turn % 10 == 0:
                    answer = b.balance() if turn % 20 else b.place(self.concert)
                else:
                    answer = b.call("GET", API + "/concerts")
                what, good = f"{answer.status} {answer.code or ''}".strip(), answer.status in (200, 201)
            except Exception as error:  # refused, cut, timed out: all are failures
                what, good = type(error).__name__, False
            with self.lock:
                self.counts[good] += 1
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                if not good:
                    self.bad.append(what)
            stop.wait(0.01)

    @contextlib.contextmanager
    def during(self, what, allowed=0):
        """Runs them meanwhile, and a little before and after; no more than `allowed` requests may fail."""
        self.counts.clear()
        self.bad, self.slowest_s = [], 0.0
        stop = threading.Event()
        threads = [threading.Thread(target=self._buyer, args=(b, stop)) for b in self.buyers]
        for t in threads:
            t.start()
        try:
            time.sleep(0.5)
            yield self
            time.sleep(0.5)
        finally:
            stop.set()
            for t in threads:
                t.join()
        note(f"{what}: {self.counts.total()} requests, {len(self.bad)} failed {dict(collections.Counter(self.bad)) or ''}, slowest {self.slowest_s:.2f} s")
        assert self.counts.total() > 20, "too few requests to say anything"
        assert len(self.bad) <= allowed, self.bad[:10]


machine = load = None
CTL = "runuser -u boxoffice -- boxofficectl"


def master():
    return int(machine.show("boxoffice.service", "MainPID"))


def ready(seconds=SLOW_S):
    wait_for(lambda: get("/readyz").status == 200, seconds, "ready", every=0.1)


def workers():
    return set(re.findall(r"^ *(\d+) boxoffice-fcgi: worker ", machine.ask("ps -eo pid,args"), re.MULTILINE))


@test
def the_readme_installs_it():
    began = time.monotonic()
    machine.sh(f"cd {SOURCE}\n" + block("installation"), MAKES_S)
    note(f"the README's installation took {time.monotonic() - began:.0f} s")
    assert machine.show("boxoffice.service", "ActiveState") == "active"
    wait_for(lambda: machine.show("boxoffice.service", "StatusText") == "16 of 16 workers serve", SLOW_S, "all are at work", every=0.1)
    # Who may do what.
    assert machine.sh("stat -c '%a %U %G' /run/boxoffice/fcgi.sock").split() == ["660", "boxoffice", "www-data"]
    assert machine.sh("stat -c '%a %U' /run/boxoffice/queue").split() == ["755", "boxoffice"]
    assert machine.sh("stat -c '%a %U %G' /etc/boxoffice/token.keys").split() == ["640", "root", "boxoffice"]
    assert machine.sh(f"ps -o user= -p {master()}").strip() == "boxoffic+" or machine.sh(f"stat -c %U /proc/{master()}").strip() == "boxoffice"


@test
def boxofficectl_check_finds_nothing_wrong():
    rows = json.loads(machine.sh("boxofficectl --json check"))
    # Its time and its disks are the machine's, and how many files nginx may open is Debian's.
    here = {"clock", "database disk", "queue disk", "nginx open files"}
    assert all(r["result"] == "ok" or (r["check"] in here and r["result"] == "warning") for r in rows), [r for r in rows if r["result"] != "ok"]


@test
def a_second_make_install_leaves_the_settings():
    machine.sh(f"echo '# mine' >> /etc/boxoffice/boxoffice.conf; cd {SOURCE}; make install; tail -n 1 /etc/boxoffice/boxoffice.conf | grep -x '# mine'")


@test
def systemd_finds_little_to_say_against_it():
    said = machine.sh("systemd-analyze security boxoffice.service | tail -n 1")
    score = float(re.search(r"level for boxoffice.service: ([\d.]+)", said).group(1))
    note(f"systemd-analyze security boxoffice.service: {score}")
    assert score <= 0.4, said
    assert "warn" not in machine.sh("systemd-analyze verify boxoffice.service boxoffice.socket 2>&1 || :").lower()


@test
def the_readmes_sale_works_over_https():
    global load
    concert = json.loads(machine.sh(f"{CTL} --json concert add --title 'First night' --max-active 50"))["concertId"]
    machine.sh(f"{CTL} performance add {concert} --starts-at 2099-01-01T19:00:00Z --venue Hall --price 90000 --seats 50")
    assert concert == 1, concert
    sale = block("sale").replace("http://localhost:8080", "https://localhost")
    assert "https://localhost" in sale
    printed = machine.sh("echo cacert=/etc/boxoffice/tls.crt > ~/.curlrc\n" + sale)
    payments = re.findall(r'^\{"paymentId".*$', printed, re.MULTILINE)
    assert len(payments) == 2 and payments[0] == payments[1], printed
    assert '"status":"PAID"' in printed and '"type":"PAYMENT"' in printed, printed
    # nginx can read what the ticker writes.
    shown = wait_for(lambda: get("/queue/1.json") if get("/queue/1.json").status == 200 else None, SLOW_S, "the static file").json
    assert shown["concertId"] == 1
    load = Load(concert)


@test
def reload_loses_no_request():
    before = workers()
    with load.during("reload of settings and signing keys"):
        for n in (2, 3):
            machine.sh(f"sed -i '1i k{n} '$(openssl rand -hex 32) /etc/boxoffice/token.keys; systemctl reload boxoffice")
            wait_for(lambda: len(re.findall(r"(?:^|: )reloaded$", machine.sh("journalctl -u boxoffice -o cat"), re.MULTILINE)) == n - 1, SLOW_S, "reloaded", every=0.1)
    assert not before & workers(), "all workers are new"
    who = Buyer()
    assert expect(who.join(1), 201)["token"].startswith("k3.")
    note(f"status: {machine.show('boxoffice.service', 'StatusText')}")


@test
def a_settings_file_that_is_not_in_order_is_not_taken():
    before = workers()
    with load.during("reload of a wrong file"):
        machine.sh("cp -p /etc/boxoffice/boxoffice.conf /root/good; echo 'workers = many' >> /etc/boxoffice/boxoffice.conf; systemctl reload boxoffice")
        wait_for(lambda: "not reloaded: /etc/boxoffice/boxoffice.conf:" in machine.show("boxoffice.service", "StatusText"), SLOW_S, "said", every=0.1)
        machine.sh("cp -p /root/good /etc/boxoffice/boxoffice.conf")
    assert before == workers()


@test
def restart_loses_no_request():
    with load.during("two restarts"):
        for _ in range(2):
            machine.sh("systemctl restart boxoffice")
    ready()


@test
def a_killed_worker_is_replaced():
    before = workers()
    # What it was at is lost.
    with load.during("kill -9 of a worker", allowed=1):
        machine.kill(sorted(before)[0], "KILL")
        wait_for(lambda: len(workers()) == len(before) and workers() != before, SLOW_S, "another worker", every=0.1)


@test
def a_killed_master_comes_back_and_connections_wait():
    for _ in range(2):
        pid = master()
        with load.during("kill -9 of the master"):
            machine.kill(pid, "KILL")
            wait_for(lambda: master() not in (0, pid) and machine.show("boxoffice.service", "ActiveState") == "active", SLOW_S, "another master", every=0.1)


@test
def a_frozen_master_is_found_by_the_watchdog():
    pid, began = master(), time.monotonic()
    with load.during("frozen master"):
        machine.kill(pid, "STOP")
        wait_for(lambda: master() not in (0, pid) and machine.show("boxoffice.service", "ActiveState") == "active", SLOW_S, "another master", every=0.2)
        note(f"the watchdog took {time.monotonic() - began:.1f} s")
    assert "Watchdog timeout" in machine.sh("journalctl -u boxoffice -o cat"), "for another reason"


@test
def without_mariadb_it_says_so_and_is_back_with_it():
    pid = master()
    machine.sh("systemctl stop mariadb.socket mariadb.service 2> /dev/null || systemctl stop mariadb")
    # From memory for as long as that is fresh.
    wait_for(lambda: get(API + "/concerts").status == 503, SLOW_S, "the memory is too old", every=0.1)
    expect(get(API + "/concerts"), 503, "DATABASE_UNAVAILABLE")
    expect(get("/readyz"), 503, "DATABASE_UNAVAILABLE")
    expect(get("/healthz"), 200)
    machine.sh("systemctl start mariadb")
    ready()
    expect(get(API + "/concerts"), 200)
    assert master() == pid, "the service lived on"


@test
def started_without_mariadb_it_is_tried_until_that_is_there():
    machine.sh("systemctl stop mariadb.socket mariadb.service 2> /dev/null || systemctl stop mariadb")
    machine.kill(master(), "KILL")
    wait_for(lambda: not workers(), SLOW_S, "the workers are gone", every=0.1)
    with load.during("a start without MariaDB, which is started 6 s later"):
        time.sleep(6)
        refusals = machine.sh("journalctl -u boxoffice -o cat").count("boxoffice-fcgi: can't connect to the database: 2002 ")
        assert 2 <= refusals <= 10, f"it was tried {refusals} times"
        assert machine.show("boxoffice.socket", "SubState") in ("running", "listening")
        machine.sh("systemctl start mariadb")
        wait_for(lambda: machine.show("boxoffice.service", "ActiveState") == "active", SLOW_S, "started", every=0.1)
    note(f"{refusals} refusals to start in 6 s, one line each")


@test
def a_schema_of_another_release_is_refused():
    for change, word in (("INSERT INTO schema_migration VALUES (999, 0)", "install the newer release"), ("DELETE FROM schema_migration WHERE version = 999", None)):
        machine.sh(f"mariadb boxoffice -e '{change}'")
        said = machine.ask("runuser -u boxoffice -- boxoffice-fcgi --config /etc/boxoffice/none 2>&1")
        assert said.count("\n") == 1 and said.startswith("boxoffice-fcgi: /etc/boxoffice/none: No such file"), said
        if word:
            said = machine.ask("runuser -u boxoffice -- boxoffice-fcgi 2>&1 || echo exit $?")
            assert said.count("\n") == 2 and word in said and said.endswith("exit 1\n"), said


@test
def the_database_over_tcp_with_tls():
    """The drop-in, and a server that takes nothing but TLS; then back."""
    machine.sh("""
        cd /etc/mysql
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=an authority' -keyout ca.key -out /etc/boxoffice/database-ca.crt
        openssl req -newkey rsa:2048 -nodes -subj /CN=database -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:database.test' > server.ext
        openssl x509 -req -in server.csr -CA /etc/boxoffice/database-ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.crt
        chown mysql server.*
        printf '[mariadbd]\\nssl-cert=/etc/mysql/server.crt\\nssl-key=/etc/mysql/server.key\\nrequire-secure-transport=ON\\nskip-name-resolve\\n' > conf.d/tls.cnf
        systemctl restart mariadb
        mariadb -e "CREATE USER boxoffice@'127.0.0.1' IDENTIFIED BY 'over tcp'; GRANT ALL ON boxoffice.* TO boxoffice@'127.0.0.1'"
        echo 127.0.0.1 database.test >> /etc/hosts
        echo 'over tcp' | install -m 640 -g boxoffice /dev/stdin /etc/boxoffice/database.password
        printf 'database_host = database.test\\ndatabase_ssl_ca = /etc/boxoffice/database-ca.crt\\ndatabase_password_file = /etc/boxoffice/database.password\\n' >> /etc/boxoffice/boxoffice.conf
        install -D -m 644 /usr/share/boxoffice/database-tcp.conf /etc/systemd/system/boxoffice.service.d/database-tcp.conf
        systemctl daemon-reload
        systemctl restart boxoffice""")
    ready()
    said = machine.sh("systemd-analyze security boxoffice.service | tail -n 1")
    score = float(re.search(r"level for boxoffice.service: ([\d.]+)", said).group(1))
    note(f"systemd-analyze security boxoffice.service: {score}")
    assert score <= 1.2, said
    users = machine.sh("mariadb -N -e \"SELECT DISTINCT SUBSTRING_INDEX(host, ':', 1) FROM information_schema.processlist WHERE user = 'boxoffice'\"")
    assert users.split() == ["127.0.0.1"], users
    with load.during("MariaDB over TCP with TLS"):
        time.sleep(0.5)
    machine.sh("cp -p /root/good /etc/boxoffice/boxoffice.conf; rm -r /etc/systemd/system/boxoffice.service.d; systemctl daemon-reload; systemctl restart boxoffice")
    ready()


@test
def it_comes_up_after_a_reboot_with_all_data():
    balances = {b.user_id: b.charged for b in load.buyers}
    began = time.monotonic()
    machine.reboot()
    ready()
    note(f"rebooted and ready in {time.monotonic() - began:.0f} s")
    for b in load.buyers:
        b.close()
        assert expect(b.balance(), 200)["balance"] == balances[b.user_id] > 0, "what was acknowledged is there, once"
        assert expect(b.place(1), 200)["status"] == "ACTIVE"
    assert get("/queue/1.json").status == 200
    note(machine.sh(f"{CTL} audit").strip().splitlines()[-1])


@test
def uninstalling_leaves_settings_and_data():
    machine.sh(f"systemctl disable --now boxoffice.socket boxoffice.service; cd {SOURCE}; make uninstall")
    machine.sh("! test -e /usr/sbin/boxoffice-fcgi; ! test -e /usr/lib/systemd/system/boxoffice.service; ! test -e /usr/lib/sysusers.d/boxoffice.conf")
    machine.sh("test -s /etc/boxoffice/boxoffice.conf -a -s /etc/boxoffice/token.keys; test $(mariadb -N boxoffice -e 'SELECT COUNT(*) FROM payment') = 1")


def main():
    global machine
    why = lacking()
    try:
        base = None if why else made(CACHE, re.search(r"^apt-get install (?:[^\n\\]|\\\n)*", block("installation"), re.MULTILINE).group())
    except tap.Skip as skipped:
        why = str(skipped)
    if why:
        print(f"1..0 # SKIP {why}", flush=True)
        return 0
    began = time.monotonic()
    try:
        machine = Box(base)
    except (AssertionError, OSError, subprocess.SubprocessError) as error:  # nothing of ours has been tried yet
        note(error)
        print("1..0 # SKIP systemd-nspawn can't boot a plain Debian here", flush=True)
        return 0
    try:
        note(f"booted in {time.monotonic() - began:.1f} s")
        failed = tap.run(slow_s=20)
        if failed:
            note(machine.ask("journalctl -u boxoffice -u boxoffice.socket -o short-monotonic --no-pager | tail -n 60"))
    finally:
        machine.end()
    note(f"took {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
