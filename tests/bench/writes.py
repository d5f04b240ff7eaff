# SPDX-License-Identifier: 0BSD
"""What writes: joining, holding, paying, creating users, beside bare SQL and a plain PHP page; one
client alone beside an older release; and a thousand clients on one seat."""
import asyncio
import collections
import contextlib
import importlib.util
import os
import time

from load import raw, spelled, wrk
import stack
from world import SETTINGS, World, bearer
from yardsticks import PHP_LACKS

CLIENTS, ROUNDS = 64, 3
RATE_MAX, RATE_ALONE_MAX = 15_000, 2_500  # a second: so many users and seats are made ready
PAID, HALL_MAX = 1_000, 100_000
API = "/api/v1"
KINDS = {
    "join": "POST …/queue (join)",
    "hold": "POST …/reservations (hold)",
    "pay": "POST …/payment (pay)",
    "user": "POST /users",
}
SQL_AIM = {"join": 2.5, "hold": 2.5, "pay": 2.5, "user": 2}
PHP_AIM, ALONE_AIM = 2, 1.4
ROWS = tuple(KINDS.values()) + ("bare SQL", "PHP")


class Sale:
    """Users, queues, halls and holds enough for all rounds: each round has its own share of users
    and a hall of its own."""

    def __init__(self, world, share):
        self.world, self.share = world, min(share, (HALL_MAX - PAID) // ROUNDS)
        self.users = self.share * ROUNDS + PAID  # the last ones pay first: for what reads payments
        world.users(self.users)
        self.paying = world.concert("paying")
        self.paid = world.performance(self.paying, self.users)
        world.places(self.paying, self.users, active=True)
        world.holds(self.paying, self.paid, self.users)
        self.holding = world.concert("holding")
        self.halls = [world.performance(self.holding, self.share) for _ in range(ROUNDS)]
        world.places(self.holding, self.users, active=True)
        self.rush = world.concert("rush", paused=True)
        world.sql(
            "ANALYZE NO_WRITE_TO_BINLOG TABLE user, place, seat, reservation, performance, "
            "concert, queue"
        )
        world.settle()

    def requests(self, kind, n, more=0):
        """Of round n; each can be made once."""
        w, mine = self.world, range(n * self.share + 1, (n + 1) * self.share + 1 + more)
        if kind == "user":
            return [raw("POST", API + "/users", {}, '{"name":"bench"}')]
        if kind == "join":
            return [raw("POST", f"{API}/concerts/{self.rush}/queue", bearer(i)) for i in mine]
        if kind == "hold":
            return [
                raw(
                    "POST",
                    f"{API}/performances/{self.halls[n]}/reservations",
                    w.ticket(i, self.holding),
                    '{"seatNumbers":[%d]}' % (i - n * self.share),
                )
                for i in mine
            ]
        return [
            raw(
                "POST", f"{API}/reservations/{i}/payment", {**bearer(i), **w.ticket(i, self.paying)}
            )
            for i in mine
        ]

    def run(self, kind, n, clients, seconds):
        return wrk(self.world.port, self.requests(kind, n), clients, seconds, once=kind != "user")


class Writes:
    def __init__(self, table, world, yard, seconds, wanted):
        self.table, self.world, self.yard, self.seconds = table, world, yard, seconds
        self.sale = Sale(world, RATE_MAX * seconds if wanted else PAID)
        if wanted:
            yard.copy_tables()
            self.php = yard.start_php(self.sale.users)
            world.settle()

    def paid(self):
        """Pairs of a user and a payment of theirs, which the service makes now: for what reads
        them."""
        w, sale = self.world, self.sale
        asked = sale.requests("pay", ROUNDS - 1, more=PAID)[sale.share :]
        wrk(w.port, asked, 16, 2)
        rows = w.scalar(
            f"SELECT reservation_id, payment_id FROM payment WHERE reservation_id > "
            f"{ROUNDS * sale.share}"
        )
        return [tuple(map(int, row.split())) for row in rows.splitlines()]

    def bare(self, kind, n):
        s, first = self.sale, n * self.sale.share + 1
        concert, performance = {
            "join": (s.rush, 0),
            "hold": (s.holding, s.halls[n]),
            "pay": (s.paying, s.paid),
            "user": (0, 0),
        }[kind]
        if kind == "hold":
            first = 1  # seat i for user i, and a hall's seats begin at 1
        return self.yard.bare_sql(kind, self.seconds, first, concert, performance)

    def plain(self, kind, n):
        first = n * self.sale.share + 1
        query = (
            "do=join&concert=1&user=%d"
            if kind == "join"
            else "do=hold&performance=1&seat=%d&user=1"
        )
        requests = [
            raw("POST", "/yard/plain.php?" + query % i)
            for i in range(first, first + self.sale.share)
        ]
        return wrk(self.world.port, requests, CLIENTS, self.seconds, once=True)

    def run(self):
        """All sides of a row in turns, another one first in each round."""
        self.table.say(
            f"writing: {CLIENTS} clients, {ROUNDS} rounds of {self.seconds} s; bare SQL and "
            f"PHP-FPM with 16 connections"
        )
        for kind, name in KINDS.items():
            sql, php = f"{name} / bare SQL", f"{name} / PHP-FPM"
            want_php = kind in ("join", "hold") and self.table.wants("writes", php)
            if not self.table.wants("writes", sql) and not want_php:
                continue
            sides = {
                "ours": lambda n, k=kind: self.sale.run(k, n, CLIENTS, self.seconds),
                "sql": lambda n, k=kind: self.bare(k, n),
            }
            if want_php and self.php:
                sides["php"] = lambda n, k=kind: self.plain(k, n)
            loads = collections.defaultdict(list)
            for n in range(ROUNDS):
                order = list(sides)[n % len(sides) :] + list(sides)[: n % len(sides)]
                for side in order:
                    loads[side].append(sides[side](n))
            self.table.beside(sql, loads["ours"], "bare SQL", loads["sql"], SQL_AIM[kind])
            if "php" in sides:
                self.table.beside(php, loads["ours"], "PHP-FPM", loads["php"], PHP_AIM)
            elif want_php:
                self.table.say(
                    f"{php}: left out, there is no php-fpm with mysqli here; as root: {PHP_LACKS}"
                )

    def one_seat(self):
        """1,000 clients at once after one seat: all answered, one of them with it."""
        w, count = self.world, min(1000, self.sale.users)
        hall = w.performance(self.sale.holding, 50)
        path = f"{API}/performances/{hall}/reservations"
        requests = [
            spelled(
                raw(
                    "POST",
                    path,
                    {**w.ticket(i, self.sale.holding), "Connection": "close"},
                    '{"seatNumbers":[50]}',
                )
            )
            for i in range(1, count + 1)
        ]
        stack.wait_for(
            lambda: w.scalar(f"SELECT COUNT(*) FROM seat WHERE performance_id = {hall}") == "50",
            10,
            "the hall is there",
        )
        time.sleep(1)  # and known to all

        async def ask(request, gate):
            reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
            await gate.wait()
            writer.write(request)
            status = int((await reader.readline()).split()[1])
            await reader.read()
            writer.close()
            return status

        async def all_at_once():
            gate = asyncio.Event()
            asked = [asyncio.create_task(ask(r, gate)) for r in requests]
            await asyncio.sleep(2)
            began = time.monotonic()
            gate.set()
            statuses = await asyncio.gather(*asked)
            return time.monotonic() - began, collections.Counter(statuses)

        took, statuses = asyncio.run(all_at_once())
        self.table.figure(
            f"{count:,} clients on one seat: all answered",
            took * 1000,
            "ms",
            good=statuses[201] == 1,
            notes=[", ".join(f"{n} x {status}" for status, n in sorted(statuses.items()))],
        )


# One client alone.


def release(folder):
    """tests/lib/stack.py of another, built checkout, which starts that release's own programs."""
    ours = {name: os.environ.get(name) for name in ("top_srcdir", "top_builddir")}
    os.environ.update(top_srcdir=folder, top_builddir=folder)
    try:
        spec = importlib.util.spec_from_file_location(
            "stack_of_base", os.path.join(folder, "tests/lib/stack.py")
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        for name, value in ours.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
    return module


def alone(table, seconds):
    """Latency where there is nobody to share a batch with, beside an older release, both with
    databases of their own that hold the same rows."""
    names = {kind: f"one client alone: {kind}" for kind in ("join", "hold", "pay")}
    if not table.wants("alone", *names.values()):
        return
    base = os.environ.get("BENCH_BASE", "")
    if not os.access(os.path.join(base, "boxofficectl"), os.X_OK) or not base:
        table.say(
            "one client alone: left out, it is measured beside an older release; "
            "BENCH_BASE=folder names a checkout of one"
            " that is built" + (f", which {base} is not" if base else "")
        )
        return
    base = os.path.abspath(base)
    with contextlib.ExitStack() as ends:
        sales = []
        for module in (stack, release(base)):
            service = module.Stack(fast=False, **SETTINGS)
            ends.callback(service.stop)
            sales.append(Sale(World(service.ready()), RATE_ALONE_MAX * seconds))
        for kind, name in names.items():
            if not table.wants("alone", name):
                continue
            loads = [], []
            for n in range(ROUNDS):
                for side in (0, 1) if n % 2 else (1, 0):
                    loads[side].append(sales[side].run(kind, n, 1, seconds))
            table.slower(name, loads[0], "BENCH_BASE", loads[1], ALONE_AIM)
