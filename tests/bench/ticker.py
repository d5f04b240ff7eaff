# SPDX-License-Identifier: 0BSD
"""What the ticker costs where nearly nothing happens, and the memory of all processes."""
import time

from client import Client
import stack
from world import NOW, SETTINGS, World, access_key, cpu_ms

MANY, BUSY, HALLS, HALL = 10_000, 3, 18, 100_000
MANY_NAME = f"ticker, {MANY:,} concerts, {BUSY} of them busy"
HALLS_NAME = f"ticker, {HALLS} idle halls of {HALL:,} seats"
ROWS = (MANY_NAME, HALLS_NAME)
SECONDS, A_SECOND = 10, 5  # so many joins and so many holds
AIM = 5  # ms of CPU a second


def quiet(world, seconds_max=60):
    """Until the ticker has read all that is new: what it uses no longer falls."""
    pids, last = world.processes()["ticker"], None
    end = time.monotonic() + seconds_max
    while time.monotonic() < end:
        before = cpu_ms(pids)
        time.sleep(2)
        used = cpu_ms(pids) - before
        if last is not None and used > 0.8 * last:
            return
        last = used


def concerts(world, count):
    """Concerts with one date of 50 seats each, as boxofficectl adds them; the numbers of the last
    ones."""
    first = int(world.scalar("SELECT COALESCE(MAX(concert_id), 0) + 1 FROM concert"))
    hall = int(world.scalar("SELECT COALESCE(MAX(performance_id), 0) + 1 FROM performance"))
    last = first + count - 1
    world.together(
        f"INSERT INTO concert (concert_id, title, created_at_ms) SELECT seq, 'bench', {NOW} FROM "
        f"seq_{first}_to_{last}",
        f"""INSERT INTO queue (concert_id, max_active, event_seq) SELECT seq, 1000, 1 FROM
            seq_{first}_to_{last}""",
        f"""INSERT INTO queue_event (concert_id, seq, kind, number, value, at_ms)
            SELECT seq, 1, 'CAP', 0, 1000, {NOW} FROM seq_{first}_to_{last}""",
        f"""INSERT INTO performance (performance_id, concert_id, starts_at_ms, venue, price_minor,
            total_seats, created_at_ms)
            SELECT {hall} + seq - {first}, seq, {NOW} + 2592000000, 'hall', 1000, 50, {NOW} FROM
            seq_{first}_to_{last}""",
        f"""INSERT INTO seat (performance_id, seat_number)
            SELECT {hall} + c.seq - {first}, s.seq FROM seq_{first}_to_{last} c JOIN seq_1_to_50
            s""",
    )
    return [(last - k, hall + count - 1 - k) for k in range(BUSY)]


def busy(world, sales):
    """Users come one after the other, join one of the concerts and hold a seat there. How many,
    how many failed."""
    client, done, failed = Client(world.port), 0, 0
    began = time.monotonic()
    while time.monotonic() < began + SECONDS:
        concert, performance = sales[done % len(sales)]
        done += 1
        joined = client.call("POST", f"/api/v1/concerts/{concert}/queue", access=access_key(done))
        held = joined.status == 201 and client.call(
            "POST",
            f"/api/v1/performances/{performance}/reservations",
            {"seatNumbers": [done // len(sales) % 50 + 1]},
            token=joined.json["token"],
        )
        failed += not held or held.status != 201
        time.sleep(max(0, began + done / A_SECOND - time.monotonic()))
    return done, failed


def idle():
    time.sleep(SECONDS)
    return 0, 0


def measure(table, world, name, meanwhile):
    """The ticker's CPU, and the database's beside it: what the ticker asks for is work, too."""
    pids, database = world.processes()["ticker"], [world.stack.pid("mariadbd")]
    before, its, began = cpu_ms(pids), cpu_ms(database), time.monotonic()
    done, failed = meanwhile()
    took = time.monotonic() - began
    used, its = (cpu_ms(pids) - before) / took, (cpu_ms(database) - its) / took
    again = world.processes()["ticker"] == pids
    table.figure(
        name,
        used,
        "ms of CPU a second",
        AIM,
        good=again and failed <= 0.01 * done,
        notes=[f"the database {its:.0f} ms"]
        + ([f"{done} joins and holds, {failed} failed"] if done else []),
    )


def run(table):
    if table.wants("ticker", MANY_NAME):
        with stack.Stack(fast=False, **SETTINGS) as service:
            world = World(service)
            table.figure("memory of all processes, no concert", world.memory_mib(), "MiB")
            world.users(BUSY * 50)
            sales = concerts(world, MANY)
            quiet(world)
            measure(table, world, MANY_NAME, lambda: busy(world, sales))
            table.figure(f"memory of all processes, {MANY:,} concerts", world.memory_mib(), "MiB")
    if table.wants("ticker", HALLS_NAME):
        with stack.Stack(fast=False, **SETTINGS) as service:
            world = World(service)
            for _ in range(HALLS):
                world.performance(world.concert("idle hall"), HALL)
            quiet(world)
            measure(table, world, HALLS_NAME, idle)
            table.figure(f"memory of all processes, {HALLS} such halls", world.memory_mib(), "MiB")
