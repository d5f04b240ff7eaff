# SPDX-License-Identifier: 0BSD
"""What is read comes from memory: no database work, never older than a tick and 100 ms, one's own doing at once."""
import contextlib
import glob
import gzip
import os
import socket
import threading
import time

from client import API, Client, expect
from common import anybody, concert, held, joined, performance, sale, service, spec, user
from stack import wait_for
from tap import test

ASKED = 100


def statements(on="main"):
    return expect(anybody(on).call("GET", "/status"), 200)["database"]["statements"]


def asks_nothing(ask, what):
    """Asked so often, the workers ran no statement. On a busy machine a tick may come late, and then they have to: again."""
    seen = []
    for _ in range(5):
        before = statements()
        for _ in range(ASKED):
            answer = ask()
            assert answer.status in (200, 304, 403), answer
        seen.append(statements() - before)
        if seen[-1] == 0:
            return
        time.sleep(0.3)
    raise AssertionError(f"{what}: {ASKED} times took {seen} statements")


def known(who, c, p):
    """Until the board has all of it."""
    def seen():
        before = statements()
        for _ in range(5):
            expect(who.performances(c), 200), expect(who.seats(c, p), 200), expect(who.place(c), 200)
        return statements() == before
    wait_for(seen, 5, "known to the memory")


@test
def reading_asks_the_database_nothing():
    c, p = sale(cap=1)
    who, waiting = joined(c), joined(c)
    known(who, c, p)
    nobody = anybody()
    for what, ask in {
        "/concerts": lambda: nobody.call("GET", API + "/concerts"),
        "a concert": lambda: nobody.call("GET", API + f"/concerts/{c}"),
        "performances": lambda: who.performances(c),
        "seats": lambda: who.seats(c, p),
        "an active place": lambda: who.place(c),
        "a waiting place": lambda: waiting.place(c),
        "a gate that is closed": lambda: waiting.performances(c),
        "a queue as a whole": lambda: nobody.call("GET", f"/queue/{c}.json"),
    }.items():
        asks_nothing(ask, what)


@test
def of_many_concerts_the_newest_is_in_memory_too():
    for i in range(82):
        last = concert(cap=1, title=f"One of many {i}")
    p = performance(last)
    who, waiting = joined(last), joined(last)
    known(who, last, p)
    for what, ask in {"an active place": lambda: who.place(last), "a waiting place": lambda: waiting.place(last),
                      "seats": lambda: who.seats(last, p), "all": lambda: who.get("/concerts?limit=100")}.items():
        asks_nothing(ask, what)


@test
def one_who_comes_and_goes_sends_nobody_else_to_the_database():
    c = concert(cap=1)
    joined(c)
    others, restless = [joined(c) for _ in range(10)], user()
    time.sleep(0.4)
    going = threading.Event()

    def come_and_go():
        while not going.is_set():
            expect(restless.join(c), 201), expect(restless.leave(c), 204), expect(restless.place(c), 200)
            going.wait(0.5)

    def cost():
        """Of a round of polls by the others; who comes and goes costs some by himself."""
        before = statements()
        for who in others * 30:
            assert expect(who.place(c), 200)["status"] == "WAITING"
            time.sleep(0.005)
        return statements() - before

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        costs = [cost() for _ in range(2)]
    finally:
        going.set()
        thread.join()
    # He asks some ten times a second himself: joining, leaving, his place, each a statement or two.
    assert min(costs) < 50, f"300 polls beside one who comes and goes took {costs} statements"


def shown(who, c, p, *numbers):
    seats = {s["seatNumber"]: s["status"] for s in expect(who.seats(c, p), 200)["seats"]}
    return {seats[n] for n in numbers}


@test
def ones_own_hold_is_seen_at_once():
    for seats in (50, 2000):
        c, p = sale(seats=seats)
        who = joined(c, 10_000)
        known(who, c, p)
        for n in range(1, 4):
            r = expect(who.hold(c, p, n), 201)
            assert shown(who, c, p, n) == {"HELD"}, f"{seats} seats: {n}"
            assert expect(who.performances(c), 200)["items"][0]["availableSeats"] == seats - 1
            expect(who.release(r["reservationId"]), 204)
            assert shown(who, c, p, n) == {"AVAILABLE"}, f"{seats} seats: {n} given back"


@test
def what_others_do_is_seen_within_a_tick():
    for seats in (50, 2000):
        c, p = sale(seats=seats)
        who = joined(c)
        known(who, c, p)
        held(c, p, 7)
        began = time.monotonic()
        wait_for(lambda: shown(who, c, p, 7) == {"HELD"}, 0.5, "another's hold", every=0.005)
        assert time.monotonic() - began < 0.5


@test
def what_one_has_already_is_not_sent_again():
    c, p = sale(seats=50)
    big = performance(c, seats=1000)
    who = joined(c)
    known(who, c, p), known(who, c, big)
    for path, needs in ((API + "/concerts?limit=1", False), (API + f"/concerts/{c}", False), (API + f"/concerts/{c}/performances", True),
                        (API + f"/performances/{p}/seats", True), (API + f"/performances/{big}/seats", True)):
        token = who.tokens[c] if needs else None
        first = who.call("GET", path, token=token)
        tag = first.header("ETag")
        assert first.status == 200 and tag and first.header("Cache-Control") == ("private, no-cache" if needs else "no-cache"), first.headers
        for sent in (tag, "W/" + tag, f'"0", {tag}', "*"):
            again = who.call("GET", path, token=token, headers=[("If-None-Match", sent)])
            assert (again.status, again.raw, again.header("ETag")) == (304, b"", tag), f"{sent}: {again}"
        other = who.call("GET", path, token=token, headers=[("If-None-Match", '"0123456789abcdef"')])
        assert (other.status, other.raw) == (200, first.raw)
        if needs:  # the pass comes first
            expect(who.call("GET", path, headers=[("If-None-Match", tag)]), 401, "QUEUE_TOKEN_MISSING")
    tags = {q: who.seats(c, q).header("ETag") for q in (p, big)}
    expect(who.hold(c, p, 3), 201), expect(who.hold(c, big, 3), 201)
    for q in (p, big):
        again = who.with_token(c, "GET", f"/performances/{q}/seats", headers=[("If-None-Match", tags[q])])
        assert again.status == 200 and again.header("ETag") != tags[q], "something has changed"


@test
def compressed_seats_are_the_same_seats():
    c, p = sale(seats=2500)
    who = joined(c)
    known(who, c, p)
    plain = who.seats(c, p)
    zipped = Client(who.port).call("GET", API + f"/performances/{p}/seats", token=who.tokens[c], headers=[("Accept-Encoding", "gzip")])
    assert zipped.header("Content-Encoding") == "gzip" and plain.header("Content-Encoding") is None
    assert gzip.decompress(zipped.raw) == plain.raw and len(zipped.raw) < len(plain.raw) / 5
    assert zipped.header("ETag") == plain.header("ETag") and "Accept-Encoding" in zipped.header("Vary")
    head = who.with_token(c, "HEAD", f"/performances/{p}/seats")
    assert head.status == 200 and head.header("ETag") == plain.header("ETag")
    assert anybody().call("GET", "/made/seats/").status == 404


@test
def seats_whose_file_is_gone_are_told_all_the_same():
    c, p = sale(seats=400)
    who = joined(c)
    known(who, c, p)
    plain = who.seats(c, p)
    for file in glob.glob(os.path.join(service().setting("queue_state_dir"), "seats", f"{p}-*")):
        os.unlink(file)
    again = who.seats(c, p)
    assert (again.status, again.raw, again.header("ETag")) == (200, plain.raw, plain.header("ETag")), again


@contextlib.contextmanager
def not_reading(path, token, count):
    """So many clients that ask for it and do not read."""
    clients = []
    try:
        for _ in range(count):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect(("127.0.0.1", service("limited").port))
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nQueue-Token: {token}\r\n\r\n".encode())
            clients.append(s)
        yield
    finally:
        for s in clients:
            s.close()


@test
def clients_that_do_not_read_keep_nobody_waiting():
    """Four, as many as there are workers, and the seats of a hall of 100,000."""
    c = concert("limited")
    p = performance(c, "limited", seats=100000)
    who = joined(c, on="limited")
    path = API + f"/performances/{p}/seats"
    for _ in range(2):  # asked of the database, and then from memory
        with not_reading(path, who.tokens[c], 4):
            time.sleep(1)
            took = max(Client(who.port, spec.see).call("GET", "/healthz").took_s for _ in range(10))
            assert took < 1, f"/healthz took {took:.1f} s beside four who don't read"
