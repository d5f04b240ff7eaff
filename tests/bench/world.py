# SPDX-License-Identifier: 0BSD
"""A service to measure, with rows that the bench puts into its database itself: as the service
would have written them, so that the audit holds afterwards.

User i is UNHEX(MD5(i)), with an access key that can be computed; see user_id() and access_key().
Of who waits in a long queue there is only the place, and the i-th has the number i for a user id:
so that millions can be inserted in order.
"""
import base64
import contextlib
import hashlib
import hmac
import os
import re
import struct
import subprocess
import tempfile
import time

NOW = "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)"
BALANCE, PRICE = 10000, 1000
TTL_MS = 3600000  # nothing runs out during a bench
# Known to every release, so that an older one can be measured with them.
SETTINGS = dict(
    workers=16,
    seats_per_user_max=50,
    active_ttl_ms=TTL_MS,
    hold_ttl_ms=TTL_MS,
    tick_ms=100,
    log_level=4,
)


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def user_id(i):
    return hashlib.md5(str(i).encode()).digest()


def uuid(i):
    return "-".join(re.match("(.{8})(.{4})(.{4})(.{4})(.{12})", user_id(i).hex()).groups())


def access_key(i):
    return b64(user_id(i) + hashlib.sha256(f"s{i}".encode()).digest())


def bearer(i):
    return {"Authorization": "Bearer " + access_key(i)}


class World:
    """What is done to one stack (tests/lib/stack.py, of this release or of an older one)."""

    def __init__(self, stack):
        self.stack, self.port, self.folder, self.ctl = stack, stack.port, stack.folder, stack.ctl
        with open(stack.config, encoding="utf-8") as f:
            self.conf = dict(line.strip().split(" = ", 1) for line in f if " = " in line)
        with open(self.conf["token_keys_file"], encoding="utf-8") as f:
            self.key_id, secret = f.readline().split()
        self.secret = bytes.fromhex(secret)
        self.socket = self.conf["database_socket"]
        # Since migration 004 events of a performance are numbered.
        self.numbered = (
            self.scalar(
                "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = 'boxoffice'"
                " AND table_name = 'reservation_event' AND column_name = 'seq'"
            )
            == "1"
        )
        self.joined_ms = int(time.time() * 1000)  # of every place, as its token says
        self.starts_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 30 * 86400))

    def sql(self, text):
        subprocess.run(
            ["mariadb", "--no-defaults", "-uroot", "-S", self.socket, "boxoffice"],
            text=True,
            check=True,
            input="SET time_zone = '+00:00';" + text,
            stdout=subprocess.DEVNULL,
        )

    def scalar(self, query):
        return subprocess.run(
            ["mariadb", "--no-defaults", "-uroot", "-S", self.socket, "boxoffice", "-NBe", query],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    def together(self, *statements):
        """One transaction: the service never sees half of it."""
        self.sql("START TRANSACTION;" + ";".join(statements) + "; COMMIT;")

    def settle(self, seconds_max=60):
        """Until the database has written the pages that filling it left, so that no measurement
        pays for that."""
        self.sql(
            "SET GLOBAL innodb_max_dirty_pages_pct = 0; SET GLOBAL "
            "innodb_max_dirty_pages_pct_lwm = 0"
        )
        end = time.monotonic() + seconds_max
        status = (
            "SELECT variable_value FROM information_schema.global_status WHERE variable_name = "
        )
        while (
            int(self.scalar(status + "'Innodb_buffer_pool_pages_dirty'")) > 50
            and time.monotonic() < end
        ):
            time.sleep(0.2)
        self.sql("SET GLOBAL innodb_max_dirty_pages_pct = 90")

    def token(self, i, concert, user=None):
        """Of the place with number i: user i's."""
        payload = struct.pack(">B16sQQQQ", 1, user or user_id(i), concert, i, self.joined_ms, 0xFFFFFFFF)
        signed = f"{self.key_id}.{b64(payload)}"
        return f"{signed}.{b64(hmac.new(self.secret, signed.encode(), hashlib.sha256).digest())}"

    def ticket(self, i, concert):
        return {"Queue-Token": self.token(i, concert)}

    def waiting_ticket(self, i, concert):
        """Of one of the long queue."""
        return {"Queue-Token": self.token(i, concert, i.to_bytes(16, "big"))}

    # Rows.

    def concert(self, title, max_active=1_000_000, paused=False):
        concert = self.ctl(
            "concert", "add", "--title", "bench " + title, "--max-active", max_active
        )["concertId"]
        if paused:
            self.ctl("queue", "pause", concert)
        return concert

    def performance(self, concert, seats):
        return self.ctl(
            "performance",
            "add",
            concert,
            "--starts-at",
            self.starts_at,
            "--venue",
            "hall",
            "--price",
            PRICE,
            "--seats",
            seats,
        )["performanceId"]

    def users(self, count):
        """Users 1 to count, with their first charge."""
        self.together(
            f"""INSERT INTO user (user_id, name, access_hash, balance_minor, created_at_ms)
                SELECT UNHEX(MD5(seq)), 'bench', UNHEX(SHA2(UNHEX(SHA2(CONCAT('s', seq), 256)),
                256)), {BALANCE}, {NOW}
                  FROM seq_1_to_{count}""",
            f"""INSERT INTO balance_entry (user_id, type, amount_minor, balance_after_minor,
                created_at_ms)
                SELECT UNHEX(MD5(seq)), 'CHARGE', {BALANCE}, {BALANCE}, {NOW} FROM
                seq_1_to_{count}""",
        )

    def places(self, concert, count, active):
        """Users 1 to count join an empty queue, in that order: all of them ACTIVE at once; or
        WAITING, and then with the ids of a long queue."""
        user = "UNHEX(MD5(seq))" if active else "UNHEX(LPAD(HEX(seq), 32, '0'))"
        before = int(self.scalar(f"SELECT event_seq FROM queue WHERE concert_id = {concert}"))
        state, since, until = (
            ("ACTIVE", self.joined_ms, self.joined_ms + TTL_MS)
            if active
            else ("WAITING", "NULL", "NULL")
        )
        counters = (
            f"admitted_through = {count}, active = {count}, admitted_total = {count}"
            if active
            else f"waiting = {count}"
        )
        self.together(
            f"""INSERT INTO place (concert_id, number, user_id, state, live, join_seq,
                                   joined_active, joined_at_ms, admitted_at_ms, claimed_at_ms,
                                   expires_at_ms)
                SELECT {concert}, seq, {user}, '{state}', 1, {before} + seq, {int(active)}, {self.joined_ms},
                       {since}, {since}, {until} FROM seq_1_to_{count}""",
            f"UPDATE queue SET tail = {count}, {counters}, event_seq = {before} + {count} WHERE "
            f"concert_id = {concert}",
        )

    def holds(self, concert, performance, count):
        """Users 1 to count, active there, each hold the seat of their number: the reservation of
        that number too, so there must be none yet."""
        columns, values = (
            (", performance_id, seq", f", {performance}, seq") if self.numbered else ("", "")
        )
        statements = [
            f"""INSERT INTO reservation (reservation_id, user_id, concert_id, place_number,
                                         performance_id, seat_numbers, seat_count, amount_minor,
                                         status, held_until_ms, sweep_at_ms, created_at_ms)
                SELECT seq, UNHEX(MD5(seq)), {concert}, seq, {performance}, seq, 1, {PRICE},
                       'HELD', @now + {TTL_MS}, @now + {TTL_MS}, @now FROM seq_1_to_{count}""",
            f"""INSERT INTO reservation_event (reservation_id, kind, at_ms{columns})
                SELECT seq, 'HELD', @now{values} FROM seq_1_to_{count}""",
            f"""UPDATE seat SET reservation_id = seat_number, taken_until_ms = @now + {TTL_MS}
                 WHERE performance_id = {performance} AND seat_number <= {count}""",
        ]
        if self.numbered:
            statements.append(
                f"UPDATE performance SET event_seq = {count} WHERE performance_id = {performance}"
            )
        self.together(f"SET @now = {NOW}", *statements)

    def audit(self, which, seconds_max=1200):
        """boxofficectl audit: exit code, what it said, seconds, and MiB that it took at most."""
        ctl = self.stack.ctl_raw("--help").args[0]  # the program of that release
        with tempfile.TemporaryFile("w+") as said:
            began = time.monotonic()
            process = subprocess.Popen(
                ["timeout", str(seconds_max), ctl, "--config", self.stack.config, "audit", which],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            took = time.monotonic() - began
            said.seek(0)
            return process.returncode, said.read(), took, usage.ru_maxrss / 1024

    # Processes.

    def processes(self):
        """The service's process ids, by what their titles say: master, worker, writer, ticker, …"""
        master = self.stack.pid("fcgi")
        found = {"master": [master]}
        children = subprocess.run(
            ["pgrep", "-P", str(master)], capture_output=True, text=True
        ).stdout.split()
        for pid in map(int, children):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
                title = re.match(r"boxoffice-fcgi: (\w+)", f.read())
                found.setdefault(title[1] if title else "unknown", []).append(pid)
        return found

    def memory_mib(self):
        """Of all the service's processes: what is shared counts once."""
        total = 0
        for pid in sum(self.processes().values(), []):
            with contextlib.suppress(OSError), open(
                f"/proc/{pid}/smaps_rollup", encoding="utf-8"
            ) as f:
                total += int(re.search(r"^Pss: +(\d+)", f.read(), re.M)[1])
        return total / 1024


def cpu_ms(pids):
    """CPU time of processes so far, all their threads'."""
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as f:
                total += int(f.read().split()[0]) / 1e6
    return total
