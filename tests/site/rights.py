#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""The rights of the database's users: what sql/grants.sql gives is enough, and none of it too much. Speaks TAP.

Every other test that starts a service runs it with these rights too.
"""
import contextlib
import getpass
import os
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import stack
import tap
from client import Client, User, expect
from tap import test

HISTORY = ["queue_event", "reservation_event", "payment", "balance_entry"]
DENIED = ("1142", "1044", "1370", "1045", "1227")  # the table, the database, the routine, the user, the operation
host = None


def sql(statements, user="root", may_fail=False):
    """Rows of words, as that user; or with may_fail the finished process."""
    command = ["mariadb", "--no-defaults", "-NB", "--user=" + user, "--socket=" + host.setting("database_socket"), "boxoffice"]
    files = {"boxoffice": "database_password_file", "boxoffice_migrate": "database_migrate_password_file"}
    env = dict(os.environ)
    if user in files:
        with open(host.setting(files[user]), encoding="utf-8") as f:
            env["MYSQL_PWD"] = f.readline().strip()
    done = subprocess.run(command, input=statements, capture_output=True, text=True, env=env, timeout=60)
    if may_fail:
        return done
    assert done.returncode == 0, f"{statements}: {done.stderr}"
    return [line.split("\t") for line in done.stdout.splitlines()]


def denied(statement, user="boxoffice"):
    done = sql(statement, user, may_fail=True)
    assert done.returncode != 0 and re.search(r"ERROR (%s) " % "|".join(DENIED), done.stderr), f"{user} may: {statement} {done.stderr}"


def grants():
    """Every right of the service: (what, on what)."""
    found = []
    for (line,) in sql("SHOW GRANTS FOR boxoffice@localhost"):
        what, on = re.fullmatch(r"GRANT (.+?) ON (\S+) TO .*", line).groups()
        found += [(w, on) for w in what.split(", ") if w != "USAGE"]
    return found


def whole_sale():
    """Everything once, as clients and the operator do it; raises when something does not go."""
    c = host.ctl("concert", "add", "--title", "Rights", "--max-active", 1)["concertId"]
    p = host.ctl("performance", "add", c, "--starts-at", "2099-01-01T00:00:00Z", "--venue", "V", "--price", 1000, "--seats", 9)["performanceId"]
    host.ctl("concert", "list")
    first, second = User(host.port, balance=5000), User(host.port, balance=5000)
    expect(first.join(c, key="join"), 201)
    expect(second.join(c), 201)
    expect(first.performances(c), 200)
    expect(first.seats(c, p), 200)
    expect(first.release(expect(first.hold(c, p, 5), 201)["reservationId"]), 204)
    left = expect(first.hold(c, p, 6), 201)["reservationId"]  # runs out: the ticker's
    r = expect(first.hold(c, p, 1, 2, key="hold"), 201)["reservationId"]
    paid = expect(first.pay(c, r, key="pay"), 201)
    assert expect(first.pay(c, r, key="pay"), 201) == paid
    # The ticker lets the next one in.
    stack.wait_for(lambda: expect(second.place(c), 200)["status"] == "ACTIVE", 4, "the second is let in")
    expect(second.hold(c, p, 3), 201)
    expect(second.leave(c), 204)
    expect(first.cancel(r, key="cancel"), 200)
    expect(first.balance(), 200)
    assert len(first.pages("/payments", 10)) == 1 and len(first.pages("/reservations", 10)) == 3
    assert len(first.pages(f"/users/{first.user_id}/balance/history", 10)) == 3
    for verb in ("pause", "resume", "show"):
        host.ctl("queue", verb, c)
    host.ctl("queue", "set", c, "--max-active", 5)
    host.ctl("user", "show", first.user_id)
    stack.wait_for(lambda: host.ctl("reservation", "show", left)["status"] == "EXPIRED" and not sql(
        f"SELECT 1 FROM reservation WHERE reservation_id = {left} AND status = 'HELD'"), 4, "the ticker ends what ran out")
    pending = host.ctl_raw("migrate", "--pending")
    assert pending.returncode == 0, f"boxofficectl migrate --pending: {pending.stderr}"
    audit = host.ctl_raw("audit")
    assert audit.returncode == 0, f"boxofficectl audit: {audit.stderr}{audit.stdout}"
    expect(Client(host.port).call("GET", "/readyz"), 200)


def purged(seconds):
    """Whether the ticker deletes what is a day old; a new one does so at once."""
    sql("INSERT INTO idempotency_key (user_id, idem_key, request_hash, status, body, created_at_ms) VALUES (REPEAT('u', 16), UUID(), REPEAT('h', 32), 200, '', 1)")
    ticker = lambda: Client(host.port).call("GET", "/status").json["pool"]["tickerPid"]
    old = ticker()
    os.kill(old, 15)
    stack.wait_for(lambda: ticker() not in (0, old), 10, "a new ticker")
    with contextlib.suppress(AssertionError):
        return stack.wait_for(lambda: not sql("SELECT 1 FROM idempotency_key WHERE created_at_ms = 1"), seconds, "purged")


@test
def a_whole_sale_goes_with_the_rights_of_the_service():
    for what, on in sorted(grants(), key=lambda g: (g[1], g[0])):
        tap.note(f"{what} ON {on}")
    whole_sale()
    assert purged(10), "what is old stays"


@test
def the_service_can_not_change_what_happened():
    for table in HISTORY:
        assert sql(f"SELECT COUNT(*) > 0 FROM {table}") == [["1"]], f"{table} is empty: nothing is proved"
        column = sql(f"SELECT column_name FROM information_schema.columns WHERE table_schema = 'boxoffice' AND table_name = '{table}' LIMIT 1")[0][0]
        denied(f"UPDATE {table} SET {column} = {column}")
        denied(f"DELETE FROM {table}")
        denied(f"TRUNCATE TABLE {table}")


@test
def the_service_can_not_change_the_schema_nor_delete_what_decides():
    for statement in ("CREATE TABLE x (a INT)", "DROP TABLE seat", "ALTER TABLE seat ADD COLUMN x INT", "CREATE INDEX x ON seat (taken_until_ms)",
                      "DROP PROCEDURE queue_tick", "CREATE PROCEDURE x() SELECT 1", "INSERT INTO schema_migration VALUES (9, 9)",
                      "UPDATE concert SET title = ''", "DELETE FROM performance", "DELETE FROM seat", "DELETE FROM user", "DELETE FROM place",
                      "DELETE FROM reservation", "DELETE FROM queue", "SELECT * FROM mysql.global_priv", "CREATE DATABASE x",
                      "CREATE USER x@localhost", "GRANT SELECT ON boxoffice.user TO boxoffice_migrate@localhost", "SELECT 1 INTO OUTFILE '/tmp/x'"):
        denied(statement)


@test
def who_migrates_has_rights_in_this_database_only():
    for statement in ("SELECT * FROM mysql.global_priv", "CREATE DATABASE x", "CREATE USER x@localhost", "GRANT SELECT ON boxoffice.user TO boxoffice@localhost"):
        denied(statement, "boxoffice_migrate")


@test
def each_right_taken_away_is_missed():
    missed = []

    def refusals():
        with open(os.path.join(host.folder, "log", "fcgi.log"), errors="replace") as f:
            return len(re.findall(r"denied to user", f.read()))

    for what, on in grants():
        before, began, why = refusals(), time.monotonic(), None
        sql(f"REVOKE {what} ON {on} FROM boxoffice@localhost")
        try:
            if what != "DELETE":
                whole_sale()
            elif not purged(1.5):
                why = "what is old stays"
        except Exception as error:
            why = (str(error).splitlines() or [type(error).__name__])[0]
        finally:
            sql(f"GRANT {what} ON {on} TO boxoffice@localhost")
        assert why, f"{what} ON {on} was not missed"
        # It failed for that, and not for what the last one left behind. (The commands' own refusals are in `why`.)
        assert refusals() > before or "denied" in why, f"{what} ON {on}: no word of a refusal: {why}"
        missed.append(f"{what} ON {on}: {why[:120]} ({time.monotonic() - began:.1f} s)")
    for line in missed:
        tap.note(line)
    whole_sale()


@test
def a_user_without_the_rights_can_not_migrate_and_says_so():
    with open(host.config, encoding="utf-8") as f:
        lines = [line for line in f if not line.startswith("database_migrate_")]
    path = os.path.join(host.folder, "no-migrate.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(lines)
    done = subprocess.run([os.path.join(stack.TOP_BUILDDIR, "boxofficectl"), "--config", path, "migrate"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "command denied" in done.stderr and done.stderr.count("\n") == 1, done


@test
def both_users_can_be_known_by_their_system_account():
    """The files as they are installed, for an account that is here: its name in place of boxoffice."""
    account = "nobody" if os.geteuid() == 0 else getpass.getuser()
    for name in ("users.sql", "grants.sql"):
        with open(os.path.join(stack.TOP_SRCDIR, "sql", name), encoding="utf-8") as f:
            sql(f.read().replace("boxoffice@localhost", f"{account}@localhost"))
    os.chmod(host.folder, 0o711)  # the database's socket is in a private folder
    os.chmod(os.path.join(host.folder, "run"), 0o711)
    path = os.path.join(host.folder, "socket.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"database_socket = {host.setting('database_socket')}\ndatabase_user = {account}\nsql_dir = {host.setting('sql_dir')}\n")
    command = [os.path.join(stack.TOP_BUILDDIR, "boxofficectl"), "--config", path, "concert", "list"]
    if os.geteuid() == 0:
        other = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert other.returncode == 2, f"another account was let in as {account}: {other}"
        readable = subprocess.run(["setpriv", "--reuid=nobody", "--clear-groups", "test", "-x", command[0]], check=False).returncode == 0
        if not readable:
            tap.skip(f"{account} can't read {command[0]}")
        command = ["setpriv", "--reuid=nobody", "--clear-groups", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and "Rights" in done.stdout, done


if __name__ == "__main__":
    try:
        host = stack.Stack(workers=3, hold_ttl_ms=700, cancel_cutoff_ms=0, board_concerts=256, tick_ms=20)
        host.ready()
        failed = tap.run()
    finally:
        stack.stop_all()
    sys.exit(1 if failed else 0)
