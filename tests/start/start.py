#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""boxoffice-fcgi as a service manager sees it, without one: what it refuses to start with, what it tells, what it does
with what is stuck; and a database over TCP with TLS. Speaks TAP; arguments choose tests by name."""
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import tap
from stack import TOP_BUILDDIR, TOP_SRCDIR, alive, free_ports, wait_for
from tap import skip, test

FCGI, CTL = os.path.join(TOP_BUILDDIR, "boxoffice-fcgi"), os.path.join(TOP_BUILDDIR, "boxofficectl")
SLOW_S = 60
folder = tempfile.mkdtemp(prefix="boxoffice-start-")
numbers = itertools.count()
stack_process = None


def start_database():
    global stack_process
    env = {k: v for k, v in os.environ.items() if not k.startswith("BOXOFFICE_")}
    env.update(top_srcdir=TOP_SRCDIR, top_builddir=TOP_BUILDDIR, STACK_FAST="1")
    stack_process = subprocess.Popen([os.path.join(TOP_SRCDIR, "tests", "stack"), "database", folder], env=env, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, text=True)
    assert stack_process.stdout.readline().startswith("database ready"), "no database"


def stop_database():
    global stack_process
    if stack_process:
        stack_process.terminate()
        stack_process.wait(SLOW_S)
        stack_process = None


def settings(**changes):
    """A file like the private database's, with other values; None leaves one out."""
    with open(os.path.join(folder, "boxoffice.conf"), encoding="utf-8") as f:
        values = dict(line.rstrip("\n").split(" = ", 1) for line in f if " = " in line)
    values.update(workers="4", tick_ms="100", queue_state_dir=os.path.join(folder, "queue"))
    values.update({k: v for k, v in changes.items() if v is not None})
    for name in (k for k, v in changes.items() if v is None):
        values.pop(name, None)
    handle, path = tempfile.mkstemp(prefix="conf-", dir=folder, text=True)
    with open(handle, "w", encoding="utf-8") as f:
        f.writelines(f"{k} = {v}\n" for k, v in values.items())
    return path


def ctl(path, *args):
    return subprocess.run([CTL, "--config", path, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SLOW_S, check=False)


def client_command():
    with open(settings(), encoding="utf-8") as f:
        at = re.search(r"^database_socket = (.*)$", f.read(), re.MULTILINE).group(1)
    return ["mariadb", "--no-defaults", "--user=root", "--socket=" + at, "-nN"]


def sql(text, database="boxoffice"):
    return subprocess.run([*client_command(), "-e", text, database], capture_output=True, text=True, timeout=SLOW_S, check=True).stdout.strip()


def refused(path, words):
    """It must end at once, with one plain line."""
    began = time.monotonic()
    done = subprocess.run([FCGI, "--config", path], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SLOW_S, check=False)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1, (done.returncode, done.stderr)
    assert done.stderr.startswith("boxoffice-fcgi: ") and words in done.stderr, done.stderr
    assert time.monotonic() - began < 20


def send(s, path, method="GET", target="/healthz", body=b"", request_id="c0ffee" + "0" * 26, **more):
    """One FastCGI request, without nginx. Waits for its worker as nginx would."""
    def record(kind, content):
        return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content
    parameters = {"REQUEST_METHOD": method, "REQUEST_URI": target, "DOCUMENT_URI": target, "QUERY_STRING": "", "CONTENT_TYPE": "application/json",
                  "CONTENT_LENGTH": str(len(body)), "REQUEST_ID": request_id, **more}
    pairs = b"".join(bytes([len(k)]) + struct.pack(">I", len(v) | 1 << 31) + k.encode() + v.encode() for k, v in parameters.items())
    s.settimeout(SLOW_S)
    s.connect(path)
    s.sendall(record(1, struct.pack(">HB5x", 1, 0)) + record(4, pairs) + record(4, b"") + (record(5, body) if body else b"") + record(5, b""))


def answer(path, **request):
    """The status of an answer, and what it says; two times None of who hung up."""
    with socket.socket(socket.AF_UNIX) as s:
        send(s, path, **request)
        got = b""
        while chunk := s.recv(65536):
            got += chunk
    text = b""
    while len(got) >= 8:
        kind, length, padding = got[1], *struct.unpack(">HB", got[4:7])
        text += got[8:8 + length] if kind == 6 else b""
        got = got[8 + length + padding:]
    head, _, body = text.partition(b"\r\n\r\n")
    found = re.search(rb"Status: (\d+)", head)
    return (int(found.group(1)), json.loads(body) if body.startswith(b"{") else None) if found else (None, None)


def ask(path, target="/healthz"):
    return answer(path, target=target)[0]


def listens(path):
    """A socket is there before it listens."""
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(path) == 0


class Service:
    """boxoffice-fcgi, and what it tells."""

    def __init__(self, watchdog_s=2, **changes):
        self.config = settings(**changes)
        assert ctl(self.config, "migrate").returncode == 0
        self.socket = re.search(r"^listen_socket = (.*)$", open(self.config, encoding="utf-8").read(), re.MULTILINE).group(1)
        self.told, self.log = [], os.path.join(folder, "service.log")
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.bind(f"\0boxoffice-start-{os.getpid()}-{next(numbers)}")
        threading.Thread(target=self._listen, daemon=True).start()  # all the time: who is not listened to waits
        env = {**os.environ, "NOTIFY_SOCKET": "@" + self.notices.getsockname()[1:].decode(), "WATCHDOG_USEC": str(watchdog_s * 1000000)}
        env.pop("WATCHDOG_PID", None)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([FCGI, "--config", self.config], env=env, stdin=subprocess.DEVNULL, stderr=log)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def _listen(self):
        with contextlib.suppress(OSError):
            while True:
                self.told += self.notices.recv(4096).decode().split("\n")

    def hears(self, line):
        """Waits for a line that is told from now on, or has been told since the last such wait."""
        def there():
            for i, text in enumerate(list(self.told)):
                if re.fullmatch(line, text):
                    del self.told[:i + 1]
                    return True
            return False
        wait_for(there, SLOW_S, f"told: {line}; log:\n{self.said()}")

    def children(self, title):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="utf-8") as f:
            pids = [int(p) for p in f.read().split()]
        found = []
        for pid in pids:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as f:
                if f.read().startswith(b"boxoffice-fcgi: " + title.encode()):
                    found.append(pid)
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.notices.close()


@test
def what_is_not_in_order_is_refused_in_one_line():
    refused("/nonexistent/boxoffice.conf", "/nonexistent/boxoffice.conf: No such file")
    refused(settings(workers="0"), "workers must be a whole number from 1 to 512")
    refused(settings(wrkers="4"), "unknown setting 'wrkers'")
    refused(settings(token_keys_file="/nonexistent/keys"), "token_keys_file /nonexistent/keys")
    refused(settings(database_password_file="/nonexistent/password"), "database_password_file /nonexistent/password")
    refused(settings(database_socket="/nonexistent/socket"), "can't connect to the database: 2002 ")
    refused(settings(database_user="nobody"), "can't connect to the database: 1045 ")


@test
def a_schema_of_another_release_is_refused():
    refused(settings(), "run boxofficectl migrate")
    assert ctl(settings(), "migrate").returncode == 0
    last = int(sql("SELECT MAX(version) FROM schema_migration"))
    sql(f"INSERT INTO schema_migration VALUES ({last + 1}, 0)")
    refused(settings(), f"is of version {last + 1}, and this release knows {last} at most")
    sql(f"DELETE FROM schema_migration WHERE version >= {last}")
    before = int(sql("SELECT MAX(version) FROM schema_migration"))
    refused(settings(), f"is of version {before}, and this release needs {last}: run boxofficectl migrate")
    sql(f"INSERT INTO schema_migration VALUES ({last}, 0)")


def notifies():
    if subprocess.run(["grep", "-q", "^SYSTEMD_LIBS = .", os.path.join(TOP_BUILDDIR, "Makefile")], check=False).returncode:
        skip("built without libsystemd")


@test
def it_tells_when_it_is_ready_reloads_and_stops():
    notifies()
    with Service(drain_timeout_ms="7000") as s:
        s.hears("READY=1")
        assert ask(s.socket) == 200
        s.hears("STATUS=4 of 4 workers serve")
        s.hears("WATCHDOG=1")
        before = set(s.children("worker")) | set(s.children("ticker"))
        s.process.send_signal(signal.SIGHUP)
        s.hears("RELOADING=1")
        s.hears("READY=1")
        after = set(s.children("worker")) | set(s.children("ticker"))
        assert len(after) == len(before) == 5 and not after & before
        with open(s.config, "a", encoding="utf-8") as f:
            f.write("workers = many\n")
        s.process.send_signal(signal.SIGHUP)
        s.hears(r"STATUS=not reloaded: .*workers must be a whole number.*")
        assert ask(s.socket) == 200
        s.process.terminate()
        s.hears("STOPPING=1")
        s.hears("EXTEND_TIMEOUT_USEC=12000000")
        assert s.process.wait(SLOW_S) == 0


@test
def an_older_socket_unit_gets_a_service_without_writers():
    """One socket is handed over, and another can't be made where it should be: who reads writes, too."""
    config = settings(workers="2", writers_socket="/nowhere/at/all")
    assert ctl(config, "migrate").returncode == 0
    with socket.socket(socket.AF_UNIX) as s, open(os.path.join(folder, "older.log"), "wb") as log:
        path = os.path.join(folder, "older.sock")
        s.bind(path)
        s.listen(64)

        program = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); os.execv(sys.argv[2], sys.argv[2:])"
        process = subprocess.Popen([sys.executable, "-c", program, str(s.fileno()), FCGI, "--config", config], stdin=subprocess.DEVNULL,
                                   stderr=log, pass_fds=[s.fileno()])
        try:
            wait_for(lambda: answer(path, target="/healthz")[0] == 200, SLOW_S, "it answers")
            status, body = answer(path, method="POST", target="/api/v1/users", body=b'{"name":"a"}')
            assert status == 201 and body["userId"], (status, body)
        finally:
            process.terminate()
            process.wait(SLOW_S)
    with open(os.path.join(folder, "older.log"), encoding="utf-8") as f:
        assert "without writers" in f.read()


class Keys:
    """A service of two workers whose signing keys are changed, with one concert."""

    def __init__(self, **changes):
        self.file = os.path.join(folder, f"keys-{next(numbers)}")
        self.secrets = {f"k{i}": f"{i:02d}" * 32 for i in range(1, 5)}
        self.write("k1")
        self.service = Service(workers="2", token_keys_file=self.file, **changes)
        self.concert = json.loads(ctl(self.service.config, "--json", "concert", "add", "--title", "Keys", "--max-active", "0").stdout)["concertId"]
        wait_for(lambda: os.path.exists(self.service.socket) and ask(self.service.socket, "/readyz") == 200, SLOW_S, "it answers")

    def write(self, *ids):
        with open(self.file, "w", encoding="utf-8") as f:
            f.writelines(f"{i} {self.secrets[i]}\n" for i in ids)

    def token(self):
        """Of somebody who has just joined."""
        made = answer(self.service.socket, method="POST", target="/api/v1/users", body=b'{"name":"Kim"}')[1]
        status, place = answer(self.service.socket, method="POST", target=f"/api/v1/concerts/{self.concert}/queue",
                               HTTP_AUTHORIZATION="Bearer " + made["accessKey"])
        assert status == 201, place
        return place["token"]

    def looks(self, token):
        """The status of the place that it stands for."""
        return answer(self.service.socket, target=f"/api/v1/concerts/{self.concert}/queue", HTTP_QUEUE_TOKEN=token)

    def pool(self):
        """The pids of its workers by their number."""
        return {n: (self.service.children(f"worker {n} ") or [0])[0] for n in (1, 2)}

    def reload(self):
        done = self.service.said().count("reloaded")
        self.service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.service.said().count("reloaded") > done, SLOW_S, "it is reloaded")

    def half_reload(self):
        """Worker 1 has the new keys, worker 2 the old ones, and the master stands still."""
        old = self.pool()
        self.service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.pool()[1] not in (0, old[1]), SLOW_S, "worker 1 is replaced", every=0.001)
        self.service.process.send_signal(signal.SIGSTOP)
        new = self.pool()
        assert new[2] == old[2] and new[1] != old[1], (old, new)
        return new

    def only(self, pids, n):
        """Lets worker n alone answer."""
        os.kill(pids[n], signal.SIGCONT)
        os.kill(pids[3 - n], signal.SIGSTOP)

    def __enter__(self):
        return self

    def __exit__(self, *how):
        for pid in (self.service.process.pid, *self.pool().values()):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGCONT)
        self.service.__exit__(*how)


@test
def a_signing_key_twice_is_refused():
    path = os.path.join(folder, "twice.keys")
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"# keys\nk1 {'01' * 32}\nk2 {'02' * 32}\nk1 {'03' * 32}\n")
    refused(settings(token_keys_file=path), f"{path}:4: this id is there twice")


@test
def no_token_is_refused_while_a_new_key_is_made_the_first():
    """Half way through a reload each worker's tokens are shown to the other one."""
    with Keys() as k:
        before = k.token()
        assert before.startswith("k1."), before
        k.write("k2", "k1")
        pids = k.half_reload()
        tokens = {}
        for n in (1, 2):
            k.only(pids, n)
            tokens[n] = k.token()
        for n in (1, 2):
            k.only(pids, n)
            for token in (before, *tokens.values()):
                status, said = k.looks(token)
                assert status == 200, f"worker {n} on {token[:3]}: {said}"
        assert all(t.startswith("k1.") for t in tokens.values()), tokens
        os.kill(pids[1], signal.SIGCONT)
        os.kill(k.service.process.pid, signal.SIGCONT)
        wait_for(lambda: "reloaded" in k.service.said(), SLOW_S, "it is reloaded")
        after = k.token()
        assert after.startswith("k2."), after
        assert all(k.looks(t)[0] == 200 for t in (before, after, *tokens.values()))
        assert "k2 signs from now on and was not known here before" in k.service.said(), k.service.said()


@test
def a_key_is_added_in_two_steps_without_a_warning():
    with Keys() as k:
        first = k.token()
        k.write("k1", "k2")
        k.reload()
        second = k.token()
        k.write("k2", "k1")
        k.reload()
        third = k.token()
        assert [t[:3] for t in (first, second, third)] == ["k1.", "k1.", "k2."]
        k.write("k2")
        k.reload()
        assert [k.looks(t)[0] for t in (first, second, third)] == [401, 401, 200]
        assert "not known here before" not in k.service.said(), k.service.said()


@test
def what_is_stuck_is_replaced():
    notifies()
    with Service(watchdog_s=1, stuck_ms="3000", database_timeout_ms="1000") as s:
        s.hears("READY=1")
        for title in ("worker", "ticker"):
            s.hears("WATCHDOG=1")
            frozen = s.children(title)[:3]
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            wait_for(lambda: not any(map(alive, frozen)), SLOW_S, f"{title} is replaced:\n{s.said()}")
            for pid in frozen:
                assert re.search(rf"{title} {pid} is stuck for 3000 ms \(request none\): killing it", s.said()), s.said()
            s.told.clear()
            s.hears("WATCHDOG=1")
            assert ask(s.socket) == 200


@test
def with_too_few_workers_the_watchdog_is_not_fed():
    notifies()
    password = os.path.join(folder, "database.password")
    with Service() as s:
        s.hears("STATUS=4 of 4 workers serve")
        os.rename(password, password + ".away")  # no worker can start without
        try:
            for pid in s.children("worker")[:3]:
                os.kill(pid, signal.SIGKILL)
            s.hears("STATUS=1 of 4 workers serve")
            s.told.clear()
            time.sleep(2)
            assert "WATCHDOG=1" not in s.told, s.told
            assert ask(s.socket) == 200, "the one that is left serves"
            s.process.send_signal(signal.SIGHUP)
            s.hears("STATUS=not reloaded: database_password_file .*")
        finally:
            os.rename(password + ".away", password)
        s.hears("STATUS=4 of 4 workers serve")
        s.hears("WATCHDOG=1")


@test
def a_worker_stuck_in_a_request_is_killed_and_the_request_named():
    with Service(stuck_ms="1500", workers="2") as s, socket.socket(socket.AF_UNIX) as client:
        wait_for(lambda: listens(s.socket) and ask(s.socket, "/readyz") == 200, SLOW_S, "it answers")
        holder = subprocess.Popen([*client_command(), "-e", "LOCK TABLES user WRITE; SELECT 'locked'; SELECT SLEEP(60)", "boxoffice"], stdout=subprocess.PIPE, text=True)
        try:
            assert holder.stdout.readline() == "locked\n"
            send(client, s.socket, "POST", "/api/v1/users", b'{"name":"Kim"}', "deadbeef" + "0" * 24)
            wait_for(lambda: re.search(r"worker \d+ is stuck for 1500 ms \(request deadbeef0{24}\): killing it", s.said()), SLOW_S, "it is killed")
            assert client.recv(1) == b"", "without an answer"
        finally:
            holder.kill()
            holder.wait()
        wait_for(lambda: len(s.children("worker")) == 2, SLOW_S, "another is there")
        assert ask(s.socket) == 200


@test
def over_tcp_the_servers_certificate_is_checked():
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=folder)
    for ca in ("right", "wrong"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={ca} authority", "-keyout", f"{ca}.key", "-out", f"{ca}.crt")
    # Names are IP addresses here; one certificate is for another host.
    for name, address in (("server", "127.0.0.1"), ("other", "192.0.2.1")):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={address}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        with open(os.path.join(folder, name + ".ext"), "w", encoding="utf-8") as f:
            f.write(f"subjectAltName=IP:{address}\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "right.crt", "-CAkey", "right.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.crt")
    sql("CREATE USER IF NOT EXISTS boxoffice@'127.0.0.1' IDENTIFIED BY 'over tcp'; GRANT ALL ON boxoffice.* TO boxoffice@'127.0.0.1'", "mysql")
    with open(os.path.join(folder, "tcp.password"), "w", encoding="utf-8") as f:
        f.write("over tcp\n")
    stop_database()

    @contextlib.contextmanager
    def server(*more):
        port, = free_ports(1)
        user = ["--user=root"] if os.geteuid() == 0 else []
        with open(os.path.join(folder, "tcp.log"), "ab") as log:
            process = subprocess.Popen(["mariadbd", "--no-defaults", *user, "--datadir=" + os.path.join(folder, "mysql"), "--socket=" + os.path.join(folder, "tcp.sock"),
                                        "--pid-file=" + os.path.join(folder, "tcp.pid"), "--bind-address=127.0.0.1", "--skip-name-resolve", f"--port={port}", *more],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def listens():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                return True
        try:
            wait_for(listens, SLOW_S, "the database listens", every=0.1)
            yield lambda **more: ctl(settings(**{"database_host": "127.0.0.1", "database_port": str(port), "database_socket": "/nonexistent",
                                                 "database_password_file": os.path.join(folder, "tcp.password"), **more}), "migrate")
        finally:
            process.terminate()
            process.wait(SLOW_S)

    def works(done):
        assert done.returncode == 0, done.stderr

    def fails(done, *words):
        assert done.returncode != 0 and any(w in done.stderr for w in words), (done.returncode, done.stdout, done.stderr)

    right, wrong = os.path.join(folder, "right.crt"), os.path.join(folder, "wrong.crt")
    tls = ["--ssl-ca=" + right, "--ssl-cert=" + os.path.join(folder, "server.crt"), "--ssl-key=" + os.path.join(folder, "server.key")]
    # A server that takes nothing but TLS: so what works is encrypted.
    with server(*tls, "--require-secure-transport=ON") as migrate:
        works(migrate(database_ssl_ca=right))
        fails(migrate(database_ssl_ca=wrong), "certificate")
        fails(migrate(database_ssl_ca="/nonexistent/ca.crt"), "2026", "SSL", "TLS")
        fails(migrate(), "3159", "1045", "secure")
        # As a name it is looked up, and the certificate is for the address.
        fails(migrate(database_ssl_ca=right, database_host="localhost"), "2026", "ertificate", "Can't connect", "Unknown server host")
    with server(*tls[:1], "--ssl-cert=" + os.path.join(folder, "other.crt"), "--ssl-key=" + os.path.join(folder, "other.key")) as migrate:
        fails(migrate(database_ssl_ca=right), "2026", "ertificate")
    with server("--skip-ssl") as migrate:
        works(migrate())
        fails(migrate(database_ssl_ca=right), "2026", "SSL", "TLS")


if __name__ == "__main__":
    try:
        start_database()
        failed = tap.run()
    finally:
        stop_database()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)
