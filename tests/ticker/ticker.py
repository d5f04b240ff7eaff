#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""The ticker: what it costs beside many concerts, and that nothing which is slow, locked or missing keeps others
waiting. Speaks TAP; arguments choose tests by name."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import stack
import tap
from client import Client, User, expect
from stack import wait_for
from tap import note, test

NOW = "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)"
_stacks, _folders = {}, []


def service(name="main", **settings):
    if name not in _stacks:
        # In memory, as /run is where it is installed: making a file there costs next to nothing.
        _folders.append(tempfile.mkdtemp(prefix="boxoffice-queue-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        _stacks[name] = stack.Stack(workers=4, queue_state_dir=_folders[-1], **settings).ready()
    return _stacks[name]


def sql(host, text):
    """As the database's administrator."""
    done = subprocess.run(["mariadb", "--no-defaults", "-uroot", "-NB", "-S", host.setting("database_socket"), "boxoffice"],
                          input="SET time_zone = '+00:00';" + text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def concert(host, cap=1, seats=50):
    c = host.ctl("concert", "add", "--title", "Ticked", "--max-active", cap)["concertId"]
    p = host.ctl("performance", "add", c, "--starts-at", "2099-01-01T00:00:00Z", "--venue", "V", "--price", 1000, "--seats", seats)["performanceId"]
    return c, p


def many(host, count, seats=2):
    """So many concerts in which nothing happens, with a performance each."""
    sql(host, f"""
        SET @c = (SELECT COALESCE(MAX(concert_id), 0) FROM concert), @p = (SELECT COALESCE(MAX(performance_id), 0) FROM performance);
        INSERT INTO concert (concert_id, title, created_at_ms) SELECT @c + seq, CONCAT('idle ', seq), {NOW} FROM seq_1_to_{count};
        INSERT INTO performance (performance_id, concert_id, starts_at_ms, venue, price_minor, total_seats, created_at_ms)
        SELECT @p + seq, @c + seq, 4000000000000, 'hall', 1000, {seats}, {NOW} FROM seq_1_to_{count};
        INSERT INTO seat (performance_id, seat_number) SELECT @p + a.seq, b.seq FROM seq_1_to_{count} a JOIN seq_1_to_{seats} b;
        INSERT INTO queue (concert_id, max_active, event_seq) SELECT @c + seq, 10, 1 FROM seq_1_to_{count};
        INSERT INTO queue_event (concert_id, seq, kind, number, value, at_ms) SELECT @c + seq, 1, 'CAP', 0, 10, {NOW} FROM seq_1_to_{count};""")


def status(host):
    return expect(Client(host.port).call("GET", "/status"), 200)


def cpu_ms(host):
    with open(f"/proc/{status(host)['ticker']['pid']}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0]) / 1e6


def cost(host, seconds=3):
    """CPU of the ticker, ms a second."""
    before, began = cpu_ms(host), time.monotonic()
    time.sleep(seconds)
    return (cpu_ms(host) - before) / (time.monotonic() - began)


def place(who, c):
    return expect(who.place(c), 200)


def let_in_s(who, c, most=10):
    began = time.monotonic()
    wait_for(lambda: place(who, c)["status"] == "ACTIVE", most, "let in")
    return time.monotonic() - began


def joined(host, c, **more):
    who = User(host.port, **more)
    expect(who.join(c), 201)
    return who


@test
def concerts_in_which_nothing_happens_cost_nothing():
    host = service("many")
    concert(host)
    time.sleep(4)
    few = cost(host)
    many(host, 2000)
    wait_for(lambda: status(host)["ticker"]["queues"] >= 2001, 10, "all seen")
    # Looked at for some seconds after they were added, and counted once.
    time.sleep(8)
    lots = min(cost(host) for _ in range(2))
    note(f"ticker: {few:.1f} ms of CPU a second beside one concert, {lots:.1f} beside 2,001")
    # Two thousand that were looked at cost twenty times as much.
    assert lots < 2 * few + 20, f"{lots:.1f} ms a second"


@test
def three_busy_ones_among_them_cost_little():
    host = service("many")
    busy = []
    for _ in range(3):
        c, p = concert(host, 100)
        busy.append((joined(host, c, balance=100_000), c, p))
    end = time.monotonic() + 3
    before, began = cpu_ms(host), time.monotonic()
    n = 0
    while time.monotonic() < end:
        for who, c, p in busy:
            r = expect(who.hold(c, p, 1 + n % 50), 201)
            expect(who.release(r["reservationId"]), 204)
        n += 1
        time.sleep(0.1)
    spent = (cpu_ms(host) - before) / (time.monotonic() - began)
    note(f"ticker: {spent:.1f} ms of CPU a second beside 3 busy concerts and 2,001 idle ones")
    assert spent < 25, f"{spent:.1f} ms a second"


@test
def every_concert_has_its_queue_as_a_file_or_made_up():
    host = service("many")
    ids = [int(i) for i in sql(host, "SELECT concert_id FROM concert ORDER BY concert_id").split()]
    files = glob.glob(os.path.join(host.setting("queue_state_dir"), "*.json"))
    assert 10 < len(files) < 600 < len(ids), f"{len(files)} files of {len(ids)} concerts"
    who, shown = Client(host.port), 0
    for c in ids[::50] + ids[-5:]:
        answer = who.call("GET", f"/queue/{c}.json")
        told = expect(answer, 200)
        assert told["concertId"] == c and told["seatsLeft"] in (2, 50) and answer.header("Cache-Control") == "public, max-age=1", answer
        age = float(sql(host, f"SELECT ({NOW} - UNIX_TIMESTAMP('{told['updatedAt'][:-1]}') * 1000) / 1000"))
        assert age < 6, f"{age} s old: {answer}"
        shown += 1
    # Who waits always has one.
    c, _ = concert(host, 1)
    joined(host, c), joined(host, c)
    wait_for(lambda: os.path.exists(os.path.join(host.setting("queue_state_dir"), f"{c}.json")), 1, "a file where somebody waits")
    time.sleep(1)
    assert os.path.exists(os.path.join(host.setting("queue_state_dir"), f"{c}.json"))


@test
def a_locked_queue_keeps_no_other_waiting():
    host = service("main", active_ttl_ms=1500, claim_ttl_ms=60000)
    stuck, _ = concert(host)
    other, _ = concert(host, 1)
    joined(host, stuck), joined(host, stuck)
    with host.locked(f"SELECT 1 FROM queue WHERE concert_id = {stuck} FOR UPDATE"):
        time.sleep(1.6)  # its pass has ended: the ticker wants the row
        took = []
        last = joined(host, other)
        for _ in range(6):
            following = joined(host, other)
            expect(last.leave(other), 204)
            took.append(let_in_s(following, other))
            last = following
    note("let in elsewhere after " + ", ".join(f"{t * 1000:.0f}" for t in took) + " ms")
    assert max(took) < 1.4, took
    wait_for(lambda: int(sql(host, f"SELECT admitted_total FROM queue WHERE concert_id = {stuck}")) == 2, 12, "let in once it can be locked")


def seats(who, c, p):
    return {s["seatNumber"]: s["status"] for s in expect(who.seats(c, p), 200)["seats"]}


def by_sql(host, c, p, numbers, event=True, until=f"{NOW} + 300000"):
    """A hold as another host would commit it; `event`: or one whose event is missing."""
    csv = ",".join(map(str, numbers))
    sql(host, f"""
        BEGIN;
        UPDATE performance SET event_seq = event_seq + 1 WHERE performance_id = {p};
        INSERT INTO reservation (user_id, concert_id, place_number, performance_id, seat_numbers, seat_count, amount_minor, status, held_until_ms,
                                 sweep_at_ms, created_at_ms)
        SELECT user_id, {c}, number, {p}, '{csv}', {len(numbers)}, 1000 * {len(numbers)}, 'HELD', {until}, {until}, {NOW} FROM place WHERE concert_id = {c} LIMIT 1;
        SET @r = LAST_INSERT_ID();
        UPDATE seat SET reservation_id = @r, taken_until_ms = {until} WHERE performance_id = {p} AND seat_number IN ({csv});
        {f"INSERT INTO reservation_event (reservation_id, kind, at_ms, performance_id, seq) SELECT @r, 'HELD', {NOW}, {p}, event_seq FROM performance WHERE performance_id = {p};" if event else ""}
        COMMIT;""")


@test
def what_another_host_does_to_seats_is_fed():
    host = service("main")
    for size in (50, 1000):
        c, p = concert(host, 5, size)
        who = joined(host, c)
        wait_for(lambda: "sold" not in seats(who, c, p), 1, "")
        time.sleep(0.3)
        by_sql(host, c, p, [3, 4])
        wait_for(lambda: seats(who, c, p)[4] == "HELD", 0.5, f"a hold of another host, {size} seats")
        by_sql(host, c, p, [7], event=False)
        by_sql(host, c, p, [8])
        wait_for(lambda: seats(who, c, p)[8] == "HELD" and seats(who, c, p)[7] == "HELD", 0.7, f"all seats anew where an event is missing, {size} seats")
        by_sql(host, c, p, [9], until=f"{NOW} + 700")
        wait_for(lambda: seats(who, c, p)[9] == "HELD", 0.5, "a short hold")
        wait_for(lambda: seats(who, c, p)[9] == "AVAILABLE", 1.2, "a hold that ran out")
        expect(who.leave(c), 204)


@test
def those_who_wait_for_a_sale_are_let_in_when_it_opens():
    host = service("main")
    opens = time.time() + 2.5
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(opens)) + f".{int(opens % 1 * 1000):03d}Z"
    c = host.ctl("concert", "add", "--title", "Opening", "--max-active", 5, "--sales-open", text)["concertId"]
    who = joined(host, c)
    assert place(who, c)["status"] == "WAITING"
    time.sleep(max(0, opens - time.time() - 0.1))
    assert place(who, c)["status"] == "WAITING"
    assert let_in_s(who, c) < 1.1


@test
def a_step_of_the_databases_clock_ends_nobody():
    """The ticker's connection is given another clock. (It stands still, so it also seems to go back after a while.)"""
    host = service("clock", clock_pause_ms=4000)
    c, _ = concert(host)
    who, waiting = joined(host, c), joined(host, c)
    before = status(host)["ticker"]["clock"]
    assert before == {"steps": 0, "lastStepMs": 0, "pausedMs": 0}, before
    sql(host, "SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() + 3600'")
    user = "SELECT GROUP_CONCAT(id) FROM information_schema.processlist WHERE user = 'boxoffice'"
    for connection in sql(host, user).split(","):
        sql(host, f"KILL {connection}")
    stepped = wait_for(lambda: (lambda t: t if t["steps"] else None)(status(host)["ticker"]["clock"]), 5, "a step is noticed")
    assert abs(stepped["lastStepMs"] - 3600_000) < 3000 and 0 < stepped["pausedMs"] <= 4000, stepped
    assert sql(host, f"SELECT GROUP_CONCAT(state ORDER BY number) FROM place WHERE concert_id = {c}") == "ACTIVE,WAITING"
    # Put right within the pause.
    sql(host, "SET GLOBAL init_connect = ''")
    for connection in sql(host, user).split(","):
        sql(host, f"KILL {connection}")
    wait_for(lambda: status(host)["ticker"]["clock"]["lastStepMs"] < -3590_000, 5, "and the step back")
    assert sql(host, f"SELECT GROUP_CONCAT(state ORDER BY number) FROM place WHERE concert_id = {c}") == "ACTIVE,WAITING"
    assert re.search(r'^boxoffice_database_clock_steps_total [2-9]', Client(host.port).call("GET", "/metrics").raw.decode(), re.M)
    with open(os.path.join(host.folder, "log", "fcgi.log"), encoding="utf-8") as f:
        assert "the database's clock stepped by +3" in f.read()
    expect(who.leave(c), 204)
    assert place(waiting, c)["status"] == "WAITING"
    assert let_in_s(waiting, c, 8) > 0.5, "nobody is let in while it pauses"


if __name__ == "__main__":
    try:
        failed = tap.run(slow_s=20)
    finally:
        stack.stop_all()
        for folder in _folders:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)
