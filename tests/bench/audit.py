# SPDX-License-Identifier: 0BSD
"""Measures `boxofficectl audit` on a sold-out year: so many users, each with a charge, a place, a
reservation that is paid, its seat, its payment and its key."""
import time

import stack
from world import World

COUNT = 1_000_000
NAME = f"audit {{}} of {COUNT:,} reservations"
SECONDS_MAX = {"--sale": 30, "--fifo": 60}
MIB_MAX = 64
HALL = 100_000
BATCH = 250_000  # rows of one transaction


def tables(concert, count, now):
    """Rows as the service leaves them, as text for INSERT: held in the order of the seats, then
    paid likewise."""
    user, hall, seat = "UNHEX(MD5(seq))", f"(seq - 1) DIV {HALL} + 1", f"(seq - 1) % {HALL} + 1"
    # Events of a hall before its first payment.
    held = f"LEAST({HALL}, {count} - ((seq - 1) DIV {HALL}) * {HALL})"
    return [
        f"""user (user_id, name, access_hash, balance_minor, created_at_ms)
            SELECT {user}, 'audit', REPEAT('x', 32), 300, {now}""",
        f"""place (concert_id, number, user_id, state, live, join_seq, joined_active, joined_at_ms,
                   admitted_at_ms, claimed_at_ms, expires_at_ms, ended_at_ms)
            SELECT {concert}, seq, {user}, 'COMPLETED', NULL, seq + 1, 1, {now}, {now}, {now},
            NULL, {now} + 2""",
        f"""queue_event (concert_id, seq, kind, number, value, at_ms)
            SELECT {concert}, {count} + 1 + seq, 'COMPLETE', seq, 0, {now} + 2""",
        f"""reservation (reservation_id, user_id, concert_id, place_number, performance_id,
                         seat_numbers, seat_count, amount_minor, status, held_until_ms,
                         sweep_at_ms, created_at_ms, paid_at_ms)
            SELECT seq, {user}, {concert}, seq, {hall}, {seat}, 1, 700, 'PAID', {now} + 300000,
            NULL, {now} + 1, {now} + 2""",
        f"""reservation_event (reservation_id, kind, at_ms, performance_id, seq)
            SELECT seq, 'HELD', {now} + 1, {hall}, {seat}""",
        f"""reservation_event (reservation_id, kind, at_ms, performance_id, seq)
            SELECT seq, 'PAID', {now} + 2, {hall}, {held} + {seat}""",
        f"""payment (payment_id, reservation_id, user_id, amount_minor, balance_minor, paid_at_ms)
            SELECT seq, seq, {user}, 700, 300, {now} + 2""",
        f"""balance_entry (entry_id, user_id, type, amount_minor, balance_after_minor,
            reservation_id, created_at_ms)
            SELECT seq, {user}, 'CHARGE', 1000, 1000, NULL, {now}""",
        f"""balance_entry (entry_id, user_id, type, amount_minor, balance_after_minor,
            reservation_id, created_at_ms)
            SELECT {count} + seq, {user}, 'PAYMENT', -700, 300, seq, {now} + 2""",
        f"""idempotency_key (user_id, idem_key, request_hash, status, body, created_at_ms)
            SELECT {user}, 'pay', REPEAT('x', 32), 201, '{{}}', {now} + 2""",
    ]


def fill(service, count):
    """All of it, of one hour ago."""
    now = int(time.time() * 1000) - 3_600_000
    concert = service.ctl("concert", "add", "--title", "Audit", "--max-active", count)["concertId"]
    for _ in range(0, count, HALL):
        service.ctl(
            "performance",
            "add",
            concert,
            "--starts-at",
            "2099-01-01T00:00:00Z",
            "--venue",
            "V",
            "--price",
            700,
            "--seats",
            HALL,
        )
    script = [
        f"INSERT INTO {t} FROM seq_{first}_to_{min(first + BATCH - 1, count)};"
        for t in tables(concert, count, now)
        for first in range(1, count + 1, BATCH)
    ]
    for p in range(1, -(-count // HALL) + 1):
        sold = min(HALL, count - (p - 1) * HALL)
        script.append(
            f"UPDATE seat SET reservation_id = (performance_id - 1) * {HALL} + seat_number,"
            f" taken_until_ms = 9223372036854775807 WHERE performance_id = {p} AND seat_number "
            f"<= {sold};"
            f"UPDATE performance SET event_seq = 2 * {sold} WHERE performance_id = {p};"
        )
    script.append(
        f"UPDATE queue SET tail = {count}, admitted_through = {count}, admitted_total = {count},"
        f" event_seq = 2 * {count} + 1 WHERE concert_id = {concert};"
    )
    World(service).sql("\n".join(script))


def run(table, count=COUNT):
    if not table.wants(*map(NAME.format, SECONDS_MAX)):
        return
    with stack.Stack(tick_ms=900) as service:
        began = time.monotonic()
        fill(service, count)
        World(service).settle()
        table.say(f"{count:,} reservations made in {time.monotonic() - began:.0f} s")
        for which, seconds_max in SECONDS_MAX.items():
            done, output, took, mib = World(service).audit(which)
            table.figure(
                NAME.format(which),
                took,
                "s",
                seconds_max,
                good=done == 0 and mib <= MIB_MAX,
                notes=[f"{mib:.0f} of at most {MIB_MAX} MiB"]
                + (output.splitlines()[-3:] if done else []),
            )
