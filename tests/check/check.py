#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""boxofficectl check: on a sound box office all is well; each damage is found, by the check it belongs to, and by no other. Speaks TAP."""
import contextlib
import json
import os
import re
import shlex
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import stack
import tap
from client import Client, User
from stack import wait_for
from tap import test

WORKERS = 2
box = stack.Stack(limits=True, fast=False, workers=WORKERS)
hasty = stack.Stack()  # quick rather than durable, and without limits
tools = tempfile.TemporaryDirectory(prefix="boxoffice-test-")
as_root = os.geteuid() == 0


def url(host=box):
    return f"https://localhost:{host.https_port}"


def build_damage():
    library = os.path.join(tools.name, "damage.so")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "damage.c")
    subprocess.run([*shlex.split(os.environ.get("CC") or "cc"), "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def check(config=None, address=None, host=box, as_json=True, **damage):
    """Runs it on a machine with that damage; the finished process, with the rows it printed."""
    env = {**os.environ, "LD_PRELOAD": damage_library, "ASAN_OPTIONS": "verify_asan_link_order=0"}
    env.update({"DAMAGE_" + name.upper(): str(value) for name, value in damage.items()})
    command = [os.path.join(stack.TOP_BUILDDIR, "boxofficectl"), "--config", config or host.config, *(["--json"] if as_json else []), "check",
               "--url", address or url(host)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=env)
    done.rows = {row["check"]: row for row in json.loads(done.stdout)} if as_json and done.stdout else {}
    return done


def bad(done):
    """What is not ok: name to result."""
    return {name: row["result"] for name, row in done.rows.items() if row["result"] != "ok"}


def told(done):
    return "\n".join(f"{r['result']} {r['check']}: {r['text']}" for r in done.rows.values()) + done.stderr


def found(done, expected, *words):
    """Exactly these are not ok, they say these words, and the exit status says whether one is wrong."""
    assert bad(done) == expected, f"expected {expected}, found {bad(done)}:\n{told(done)}"
    text = " ".join(done.rows[name]["text"] for name in expected)
    for word in words:
        assert word in text, f"expected `{word}` in: {text}"
    assert done.returncode == ("wrong" in expected.values()), f"exit {done.returncode}"
    return done


def well():
    """Until what a test undid has passed."""
    done = wait_for(lambda: (lambda d: d if not bad(d) else None)(check()), 60, "all is well again", every=0.2)
    assert done.returncode == 0
    return done


def damage(function):
    """A test that starts from a sound box office."""
    def whole():
        well()
        function()
    whole.__name__ = function.__name__
    return test(whole)


@contextlib.contextmanager
def settings(**changed):
    """A copy of the settings file with some changed."""
    with open(box.config, encoding="utf-8") as f:
        lines = [line for line in f if line.split(" = ")[0] not in changed]
    with tempfile.NamedTemporaryFile("w", suffix=".conf", dir=tools.name, encoding="utf-8") as f:
        f.writelines(lines + [f"{name} = {value}\n" for name, value in changed.items()])
        f.flush()
        yield f.name


@contextlib.contextmanager
def mode(path, bits):
    before = os.stat(path).st_mode & 0o7777
    os.chmod(path, bits)
    try:
        yield
    finally:
        os.chmod(path, before)


@contextlib.contextmanager
def content(path, text):
    with open(path, "rb") as f:
        before = f.read()
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    try:
        yield
    finally:
        with open(path, "wb") as f:
            f.write(before)


def sql(statement):
    """As the database's root."""
    subprocess.run(["mariadb", "--no-defaults", "--user=root", "--socket=" + box.setting("database_socket"), "--database=boxoffice", "-e", statement],
                   stdin=subprocess.DEVNULL, check=True, capture_output=True, timeout=30)


@contextlib.contextmanager
def undone(does, undoes):
    sql(does)
    try:
        yield
    finally:
        sql(undoes)


@contextlib.contextmanager
def killed(part, by=signal.SIGKILL):
    """Dead, and nobody starts it again meanwhile."""
    box.kill("supervisor", signal.SIGSTOP)
    try:
        pid = box.kill(part, by)
        wait_for(lambda: not stack.alive(pid), 10, f"{part} is gone")
        yield
    finally:
        box.kill("supervisor", signal.SIGCONT)


def file_of(name):
    return os.path.join(box.folder, name)


def status():
    return Client(box.port).call("GET", "/status").json


@test
def all_is_well_on_a_sound_box_office():
    done = well()
    assert len(done.rows) > 20, told(done)


@test
def people_and_programs_are_told_the_same():
    rows, lines = check().rows, check(as_json=False).stdout.splitlines()
    assert [re.split(r" {2,}", line)[:2] for line in lines] == [[r["result"], r["check"]] for r in rows.values()]


@test
def the_manual_page_has_each_check_and_no_other():
    with open(os.path.join(stack.TOP_SRCDIR, "man", "boxofficectl.1"), encoding="utf-8") as f:
        section = re.search(r"^\.Sh CHECKS$(.*?)^\.Sh ", f.read(), re.M | re.S).group(1)
    results = {"ok", "warning", "wrong", "not checked"}
    items = {name for line in re.findall(r"^\.It (.*)", section, re.M) for name in line.split(" , ")} - results
    known = set(check().rows)
    assert items == known, f"lacks {sorted(known - items)}, has {sorted(items - known)}"


@test
def it_says_so_when_it_can_not_run():
    addresses = ("localhost", "https://local host/", "https://", "http://localhost:", "http://localhost:99999999", "http://[::1", "ftp://localhost")
    for done in (check(config="/nowhere/boxoffice.conf"), *(check(address=a) for a in addresses)):
        assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1, done


@damage
def settings_that_are_not_valid():
    for changed, words in (({"workers": "0"}, "workers must be a whole number"), ({"wrokers": "4"}, "unknown setting 'wrokers'")):
        with settings(**changed) as config:
            done = check(config=config)
            assert done.rows["settings"]["result"] == "wrong" and words in done.rows["settings"]["text"], told(done)
            assert done.returncode == 1 and done.rows["database"]["result"] == "not checked" and done.rows["nginx"]["result"] == "ok", told(done)
    with mode(box.config, 0o666):
        found(check(), {"settings": "wrong"}, "anybody may change")
    with settings(stuck_ms="5000", database_timeout_ms="5000") as config:
        found(check(config=config), {"settings": "warning"}, "stuck_ms (5000) must be above database_timeout_ms (5000)")


@damage
def secrets_that_others_may_read():
    for name, row in (("database.password", "database password"), ("migrate.password", "database password"), ("token.keys", "token keys")):
        for bits in (0o644, 0o602):
            with mode(file_of(name), bits):
                found(check(), {row: "wrong"}, name, "chmod o=")


@damage
def a_password_that_is_wrong_or_missing():
    nothing = dict.fromkeys(well_needs_database, "not checked")
    with content(file_of("database.password"), "not-this-one\n"):
        found(check(), {**nothing, "database": "wrong"}, "Access denied", "database_password_file")
    with content(file_of("database.password"), ""):
        done = check()
        assert done.rows["database password"]["result"] == "wrong" and "no first line" in done.rows["database password"]["text"], told(done)
    with settings(database_password_file="/nowhere/password") as config:
        found(check(config=config), {**nothing, "database password": "wrong", "database": "not checked"}, "No such file")


@damage
def token_keys_that_are_no_good():
    for text, words in (("", "has no key"), ("k1 1234\n", "expected `ID HEX`"), ("# none\n", "has no key")):
        with content(file_of("token.keys"), text):
            found(check(), {"token keys": "wrong"}, words)
    old = time.time() - 400 * 86400
    os.utime(file_of("token.keys"), (old, old))
    try:
        found(check(), {"token keys": "warning"}, "no new key for 400 days")
    finally:
        os.utime(file_of("token.keys"))


@damage
def a_database_that_is_dead():
    with killed("mariadbd"):
        done = wait_for(lambda: (lambda d: d if d.rows["ticker"]["result"] == "wrong" else None)(check()), 20, "the ticker is missed, too")
        found(done, {**dict.fromkeys(well_needs_database, "not checked"), "database": "wrong", "ticker": "wrong", "nginx": "wrong",
                     **dict.fromkeys(well_needs_nginx, "not checked")}, "does it run?", "nobody is let in", "/readyz answers 503")


@damage
def a_database_that_is_somewhere_else():
    nothing = dict.fromkeys(well_needs_database, "not checked")
    with settings(database_name="nowhere") as config:
        done = check(config=config)
        assert bad(done) == {**nothing, "database": "wrong"} and "nowhere" in done.rows["database"]["text"], told(done)
    with settings(database_host="127.0.0.1", database_port=stack.free_ports(1)[0]) as config:
        found(check(config=config), {**nothing, "database": "wrong"}, "database_port")


@damage
def a_database_that_takes_no_writes():
    with undone("SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0"):
        done = check()
        assert done.rows["database"]["result"] == "wrong" and "replica" in done.rows["database"]["text"], told(done)


@damage
def rights_that_are_too_few():
    for right, on in (("EXECUTE", "*"), ("INSERT", "payment"), ("UPDATE", "seat"), ("SELECT", "concert"), ("DELETE", "idempotency_key")):
        with undone(f"REVOKE {right} ON boxoffice.{on} FROM boxoffice@localhost", f"GRANT {right} ON boxoffice.{on} TO boxoffice@localhost"):
            done = check()
            row = done.rows["database rights"]
            assert done.returncode == 1 and row["result"] == "wrong" and f"lacks {right} on {on};" in row["text"] and "grants.sql" in row["text"], told(done)
    with settings(sql_dir=tools.name) as config:
        assert check(config=config).rows["database rights"]["result"] == "not checked"


@damage
def rights_that_are_too_many():
    for right, on, words in (("ALL", "*.*", "whole server"), ("SUPER", "*.*", "whole server"), ("DROP", "boxoffice.*", "change the schema"),
                             ("ALTER", "boxoffice.payment", "change the schema")):
        with undone(f"GRANT {right} ON {on} TO boxoffice@localhost", f"REVOKE {right} ON {on} FROM boxoffice@localhost"):
            found(check(), {"database rights": "warning"}, words)
    with undone("GRANT SELECT ON boxoffice.* TO boxoffice@localhost WITH GRANT OPTION", "REVOKE SELECT, GRANT OPTION ON boxoffice.* FROM boxoffice@localhost"):
        found(check(), {"database rights": "warning"}, "pass its rights on")


@damage
def a_database_that_knows_its_users_by_their_accounts():
    """As root, the service's account is the one that is tried."""
    if not as_root:
        tap.skip("needs root, to be another user")
    with undone("CREATE USER nobody@localhost IDENTIFIED VIA unix_socket; GRANT ALL ON boxoffice.* TO nobody@localhost", "DROP USER nobody@localhost"):
        with settings(database_user="nobody", database_password_file="") as config, mode(box.folder, 0o755):
            with mode(os.path.dirname(box.setting("database_socket")), 0o755):
                found(check(config=config), {"database rights": "warning"}, "nobody may change the schema")


@contextlib.contextmanager
def over_tcp():
    """The database's socket, as a port."""
    class Relay(socketserver.BaseRequestHandler):
        def handle(self):
            with socket.socket(socket.AF_UNIX) as database:
                database.connect(box.setting("database_socket"))
                threading.Thread(target=self.pour, args=(database, self.request), daemon=True).start()
                self.pour(self.request, database)

        @staticmethod
        def pour(come, go):
            with contextlib.suppress(OSError):
                while data := come.recv(65536):
                    go.sendall(data)
                go.shutdown(socket.SHUT_RDWR)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@damage
def a_database_that_is_talked_to_in_the_open():
    with over_tcp() as port, settings(database_host="0.0.0.0", database_port=port) as config:
        found(check(config=config), {"database": "warning", "database disk": "not checked"}, "database_ssl_ca")


@damage
def a_schema_that_is_older_newer_or_not_whole():
    with undone("DELETE FROM schema_migration WHERE version = 4", "INSERT INTO schema_migration VALUES (4, 0)"):
        found(check(), {"database schema": "wrong"}, "1 of", "boxofficectl migrate")
    with undone("INSERT INTO schema_migration VALUES (99, 0)", "DELETE FROM schema_migration WHERE version = 99"):
        found(check(), {"database schema": "wrong"}, "99", "newer")
    with undone("RENAME TABLE payment TO payment_gone", "RENAME TABLE payment_gone TO payment"):
        found(check(), {"database schema": "wrong"}, "PAYMENT_LIST")
    with settings(sql_dir=tools.name) as config:
        found(check(config=config), {"database schema": "wrong", "database rights": "not checked"}, "no migrations")


@damage
def a_procedure_that_is_gone():
    try:
        sql("DROP PROCEDURE concert_add")
        found(check(), {"database schema": "wrong"}, "concert_add")
    finally:
        with open(os.path.join(stack.TOP_SRCDIR, "sql", "current", "operator.sql"), encoding="utf-8") as f:
            procedure = re.search(r"^CREATE PROCEDURE concert_add.*?^END;", f.read(), re.M | re.S).group(0)
        subprocess.run(["mariadb", "--no-defaults", "--user=root", "--socket=" + box.setting("database_socket"), "--database=boxoffice"],
                       input=f"DELIMITER //\n{procedure}\n//\n", text=True, check=True, capture_output=True, timeout=30)


@damage
def a_database_that_loses_what_it_said_was_done():
    with undone("SET GLOBAL innodb_flush_log_at_trx_commit = 2", "SET GLOBAL innodb_flush_log_at_trx_commit = 1"):
        found(check(), {"database durability": "warning"}, "innodb_flush_log_at_trx_commit is 2")
    hasty.ready()
    done = check(host=hasty)
    assert done.rows["database durability"]["result"] == "warning" and "innodb_doublewrite is off" in done.rows["database durability"]["text"], told(done)


@damage
def too_few_connections():
    with undone("SET GLOBAL max_connections = 12", "SET GLOBAL max_connections = 300"):
        found(check(), {"database connections": "warning"}, "max_connections is 12")
    with settings(workers=400) as config:
        found(check(config=config), {"database connections": "wrong", "workers": "warning"}, "need 404")


@damage
def disks_that_fill_up():
    both = ("database disk", "queue disk")
    found(check(disk_permille=50), dict.fromkeys(both, "warning"), "make room soon")
    found(check(disk_permille=1), dict.fromkeys(both, "wrong"), "make room")
    found(check(inodes=1), dict.fromkeys(both, "wrong"), "no room for new files")


@damage
def clocks_that_differ():
    found(check(clock_s=5), {"database clock": "warning"}, "behind")
    found(check(clock_s=-5), {"database clock": "warning"}, "ahead")
    found(check(unsync=1), {"clock": "warning"}, "not synchronised")


@damage
def workers_that_are_gone():
    with killed("fcgi"):
        done = wait_for(lambda: (lambda d: d if "workers" in bad(d) and d.rows["queue files"]["result"] != "wrong" else None)(check()), 10, "they are missed")
        found(done, {"socket": "wrong", "workers": "not checked", "ticker": "not checked", "nginx": "wrong", "queue folder": "not checked",
                     **dict.fromkeys(well_needs_nginx, "not checked")}, "start boxoffice-fcgi", "the workers don't answer")


@damage
def a_socket_that_is_not_there_or_none():
    expected = {"socket": "wrong", "workers": "not checked", "ticker": "not checked", "queue folder": "not checked"}
    with settings(listen_socket=file_of("nothing.sock")) as config:
        found(check(config=config), {**expected, "socket access": "wrong"}, "there is no such socket")
    with settings(listen_socket=file_of("boxoffice.conf")) as config:
        done = check(config=config)
        assert done.rows["socket"]["result"] == "wrong" and "no socket" in done.rows["socket"]["text"], told(done)


@damage
def workers_that_hang():
    pids = [w["pid"] for w in status()["workers"]]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        done = check()
        assert done.rows["socket"]["result"] == "wrong" and "no answer in time" in done.rows["socket"]["text"], told(done)
        assert done.rows["nginx"]["result"] == "wrong", told(done)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@damage
def a_worker_that_dies_again_and_again():
    end = time.monotonic() + 40
    while True:
        assert time.monotonic() < end, "it was never missed"
        pid = status()["workers"][0]["pid"]
        if pid:
            with contextlib.suppress(ProcessLookupError):  # it may have ended already
                os.kill(pid, signal.SIGKILL)
            continue
        done = check()
        if done.rows["workers"]["result"] == "warning":
            break
    found(done, {"workers": "warning"}, f"1 of {WORKERS} run")


@damage
def workers_of_another_number():
    with settings(workers=WORKERS + 1) as config:
        found(check(config=config), {"workers": "warning"}, "restart")


@damage
def workers_that_are_all_busy():
    """Those that read wait for no lock but one: that of the place that shows up."""
    for _ in range(5):  # on a slow machine the wait for the lock may be over before the check looks
        concert = box.ctl("concert", "add", "--title", "Busy", "--max-active", 0)["concertId"]
        who = User(box.port)
        who.join(concert)
        box.ctl("queue", "set", concert, "--max-active", 1)
        wait_for(lambda: box.ctl("queue", "show", concert)["active"] == 1, 5, "let in")
        with box.locked(f"SELECT 1 FROM place WHERE concert_id = {concert} FOR UPDATE"):
            thread = threading.Thread(target=who.performances, args=(concert,))
            thread.start()
            wait_for(lambda: Client(box.port).call("GET", "/status").json["pool"]["busy"] == WORKERS, 5, "one waits for the lock")
            done = check()
        thread.join()
        if bad(done):
            break
    found(done, {"workers": "warning"}, "all 2 are busy")


@damage
def a_ticker_that_stands_still():
    pid = status()["pool"]["tickerPid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        done = wait_for(lambda: (lambda d: d if d.rows["ticker"]["result"] == "wrong" else None)(check()), 10, "it is missed")
        found(done, {"ticker": "wrong"}, "nobody is let in")
    finally:
        os.kill(pid, signal.SIGCONT)


@damage
def queue_files_that_are_old_missing_or_closed():
    concert = box.ctl("concert", "add", "--title", "File")["concertId"]
    assert User(box.port).join(concert).status == 201  # where nobody is there need not be one
    path = file_of(f"queue/{concert}.json")
    wait_for(lambda: os.path.exists(path), 10, "it is written")
    pid = status()["pool"]["tickerPid"]
    os.kill(pid, signal.SIGSTOP)  # or it would mend what is damaged here
    try:
        with open(path, encoding="utf-8") as f:
            state = json.load(f)
        for text, words in ((json.dumps({**state, "updatedAt": "2026-01-01T00:00:00.000Z"}), "updated"), ("{}", "no updatedAt")):
            with content(path, text):
                done = check()
                assert done.rows["queue files"]["result"] == "wrong" and words in done.rows["queue files"]["text"], told(done)
        os.rename(path, path + ".gone")
        done = check()
        assert done.rows["queue files"]["result"] == "wrong" and "No such file" in done.rows["queue files"]["text"], told(done)
        os.rename(path + ".gone", path)
    finally:
        os.kill(pid, signal.SIGCONT)


@damage
def a_queue_folder_that_is_not_there():
    os.rename(file_of("queue"), file_of("queue.gone"))
    try:
        done = check()
        assert done.rows["queue folder"]["result"] == "wrong" and "No such file" in done.rows["queue folder"]["text"], told(done)
    finally:
        os.rename(file_of("queue.gone"), file_of("queue"))


@damage
def an_nginx_that_is_gone():
    with killed("nginx", signal.SIGTERM):  # or its workers would stay
        done = wait_for(lambda: (lambda d: d if "nginx" in bad(d) else None)(check()), 10, "it is missed")
        found(done, {"nginx": "wrong", "socket access": "not checked", "queue folder": "not checked", **dict.fromkeys(well_needs_nginx, "not checked")},
              "is nginx running")


@damage
def an_nginx_without_tls_or_without_the_site():
    done = check(address=f"https://localhost:{box.port}")
    assert done.rows["nginx"]["result"] == "wrong" and "no TLS" in done.rows["nginx"]["text"], told(done)
    found(check(address=f"http://localhost:{box.port}"), {"nginx certificate": "not checked"})
    with content(file_of("site.conf"), f"server {{ listen {box.port}; access_log off; }}\n"):
        box.kill("nginx", signal.SIGHUP)
        # For a moment the workers of before answer, too.
        wait_for(lambda: "/healthz answers 404" in check(address=f"http://127.0.0.1:{box.port}").rows["nginx"]["text"], 10, "it has other settings")
    box.kill("nginx", signal.SIGHUP)


@damage
def an_nginx_that_may_not_enter():
    """Its workers as another user, who can neither reach the socket nor the queue files, and may open few files."""
    if not as_root:
        tap.skip("needs root, to run nginx as another user")
    with open(file_of("nginx.conf"), encoding="utf-8") as f:
        conf = f.read()
    conf = re.sub(r"worker_rlimit_nofile \d+;", "worker_rlimit_nofile 1024;", conf.replace("user root;", "user nobody nogroup;"))
    with content(file_of("nginx.conf"), conf):
        box.kill("nginx", signal.SIGHUP)
        done = wait_for(lambda: (lambda d: d if "nobody" in d.rows["socket access"]["text"] else None)(check()), 10, "it is another user's")
        assert done.rows["socket access"]["result"] == "wrong" and "may not connect" in done.rows["socket access"]["text"], told(done)
        assert done.rows["queue folder"]["result"] == "wrong" and "may not read" in done.rows["queue folder"]["text"], told(done)
        assert done.rows["nginx"]["result"] == "wrong" and "answers 503" in done.rows["nginx"]["text"], told(done)
        # Let in to the files, and by everybody's right to the socket.
        with mode(box.folder, 0o755), mode(file_of("run"), 0o755), mode(box.setting("listen_socket"), 0o666):
            done = wait_for(lambda: (lambda d: d if d.rows["nginx"]["result"] == "ok" else None)(check()), 10, "it is let in")
            found(done, {"socket access": "warning", "nginx open files": "warning"}, "any user of this machine", "1024 files")
            box.ctl("concert", "add", "--title", "Somebody's")  # for a queue file at least
            path = wait_for(lambda: next((f.path for f in os.scandir(file_of("queue")) if f.name.endswith(".json")), None), 10, "a queue file")
            pid = status()["pool"]["tickerPid"]
            os.kill(pid, signal.SIGSTOP)
            try:
                with mode(path, 0o600):
                    done = check()
                    assert done.rows["queue files"]["result"] == "wrong" and "nobody" in done.rows["queue files"]["text"], told(done)
            finally:
                os.kill(pid, signal.SIGCONT)
    box.kill("nginx", signal.SIGHUP)


@damage
def errors_of_nginx_that_nobody_counts():
    with settings(nginx_errors_file="/nowhere/errors") as config:
        found(check(config=config), {"nginx errors": "warning"}, "/nowhere/errors")


@damage
def limits_that_are_off():
    hasty.ready()
    # On a machine that is very busy it can't be told.
    done = wait_for(lambda: (lambda d: d if d.rows["nginx limits"]["result"] != "not checked" else None)(check(host=hasty)), 60, "the limits are checked")
    assert done.rows["nginx limits"]["result"] == "warning" and "limit_req" in done.rows["nginx limits"]["text"], told(done)


@damage
def a_certificate_that_ends():
    made_for_days = 825
    done = check(clock_s=(made_for_days - 5) * 86400)
    assert done.rows["nginx certificate"]["result"] == "warning" and "ends in" in done.rows["nginx certificate"]["text"], told(done)
    done = check(clock_s=(made_for_days + 1) * 86400)
    assert done.rows["nginx certificate"]["result"] == "wrong" and "has ended" in done.rows["nginx certificate"]["text"], told(done)


@damage
def a_backlog_that_the_kernel_cuts():
    with open("/proc/sys/net/core/somaxconn", encoding="ascii") as f:
        if int(f.read()) >= 65535:
            tap.skip("the kernel takes any backlog that a setting may have")
    with settings(listen_backlog=65535) as config:
        found(check(config=config), {"socket backlog": "warning"}, "net.core.somaxconn=65535")


well_needs_database = ("database version", "database rights", "database schema", "database durability", "database connections", "database disk",
                       "database clock", "queue files")
well_needs_nginx = ("nginx limits", "nginx certificate", "nginx open files")
damage_library = build_damage()
box.ready()
sys.exit(tap.run() > 0)
