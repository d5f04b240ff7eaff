# SPDX-License-Identifier: 0BSD
"""What is looked at: each route beside the null program or a static file; and places in long
queues."""
import re
import time
import urllib.request

from load import raw, wrk
import stack
from world import bearer, cpu_ms, uuid

CLIENTS, ROUNDS, PEOPLE = 32, 3, 2000
API = "/api/v1"
OWN_AIM, MEMORY_AIM = 0.5, 0.85  # of what reads one person's rows; of what comes from memory
WAITING_NAME = "GET …/queue ({:,} waiting)"
ROWS = (
    "GET /healthz",
    "GET /concerts",
    "GET /concerts/{id}",
    "GET …/queue (active)",
    "GET …/performances (3 x 50 seats)",
    "GET …/seats (50)",
    "GET …/seats (2,000)",
    "GET …/seats (2,000), gzip",
    "GET …/balance",
    "GET …/balance/history",
    "GET /reservations",
    "GET /reservations/{id}",
    "GET /payments",
    "GET /payments/{id}",
    "GET /queue/{id}.json",
)


class Reads:
    def __init__(self, table, world, yard, seconds):
        self.table, self.world, self.yard, self.seconds = table, world, yard, seconds
        self.null_port = yard.start_null()

    def against(self, name, requests, port, its_requests, yardstick, aim):
        """In turns, round by round."""
        if not self.table.wants("reads", name):
            return
        ours, theirs = [], []
        for _ in range(ROUNDS):
            theirs.append(wrk(port, its_requests, CLIENTS, self.seconds))
            ours.append(wrk(self.world.port, requests, CLIENTS, self.seconds))
        if yardstick == "null":
            self.table.null_rates += [t.rate for t in theirs]
        self.table.beside(name, ours, yardstick, theirs, aim)

    def against_null(self, name, requests, aim=None):
        """The null program gets the very same requests."""
        self.against(name, requests, self.null_port, requests, "null", aim)

    def against_static(self, name, requests, size, aim):
        """A static file of the same size, by the same nginx, with the same headers and the same
        log."""
        path = self.yard.static(f"{size}.bin", size)
        self.against(name, requests, self.world.port, [raw("GET", path)], "static", aim)

    def fill(self):
        """A concert with three dates and one with halls of 50 and 2,000 seats; whoever looks is
        active, and has paid once."""
        w = self.world
        self.plain, self.halls = w.concert("three dates"), w.concert("halls")
        for _ in range(3):
            w.performance(self.plain, 50)
        self.seats50, self.seats2000 = w.performance(self.halls, 50), w.performance(
            self.halls, 2000
        )
        w.places(self.plain, PEOPLE, active=True)
        w.places(self.halls, PEOPLE, active=True)
        w.settle()

    def size_of(self, path, headers):
        """Of the body as it is sent."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.world.port}{path}", headers=headers
        )
        with urllib.request.urlopen(request, timeout=10) as got:
            return got.headers.get("Content-Encoding"), len(got.read())

    def run(self, paid):
        """paid: pairs of a user and the number of their payment."""
        w, some, null = self.world, range(1, PEOPLE + 1), self.against_null
        plain, halls = ({i: w.ticket(i, c) for i in some} for c in (self.plain, self.halls))
        self.table.say(f"reading: {CLIENTS} clients, {ROUNDS} rounds of {self.seconds} s")
        null("GET /healthz", [raw("GET", "/healthz")])
        null("GET /concerts", [raw("GET", API + "/concerts")], MEMORY_AIM)
        null("GET /concerts/{id}", [raw("GET", f"{API}/concerts/{self.plain}")], MEMORY_AIM)
        null(
            "GET …/queue (active)",
            [raw("GET", f"{API}/concerts/{self.plain}/queue", plain[i]) for i in some],
            MEMORY_AIM,
        )
        null(
            "GET …/performances (3 x 50 seats)",
            [raw("GET", f"{API}/concerts/{self.plain}/performances", plain[i]) for i in some],
            MEMORY_AIM,
        )
        null(
            "GET …/seats (50)",
            [raw("GET", f"{API}/performances/{self.seats50}/seats", halls[i]) for i in some],
            MEMORY_AIM,
        )
        large = f"{API}/performances/{self.seats2000}/seats"
        null("GET …/seats (2,000)", [raw("GET", large, halls[i]) for i in some])
        gzip = {i: {**halls[i], "Accept-Encoding": "gzip"} for i in some}
        encoding, size = self.size_of(large, gzip[1])
        if encoding != "gzip":
            self.table.say(
                f"GET …/seats (2,000) came as {encoding}, {size:,} bytes, though gzip was asked for"
            )
        self.against_static(
            "GET …/seats (2,000), gzip", [raw("GET", large, gzip[i]) for i in some], size, 0.7
        )
        null(
            "GET …/balance",
            [raw("GET", f"{API}/users/{uuid(i)}/balance", bearer(i)) for i in some],
            OWN_AIM,
        )
        null(
            "GET …/balance/history",
            [raw("GET", f"{API}/users/{uuid(i)}/balance/history", bearer(i)) for i in some],
            OWN_AIM,
        )
        null(
            "GET /reservations",
            [raw("GET", API + "/reservations", bearer(i)) for i in some],
            OWN_AIM,
        )
        null(
            "GET /reservations/{id}",
            [raw("GET", f"{API}/reservations/{i}", bearer(i)) for i in some],
            OWN_AIM,
        )
        null("GET /payments", [raw("GET", API + "/payments", bearer(i)) for i, _ in paid], OWN_AIM)
        null(
            "GET /payments/{id}",
            [raw("GET", f"{API}/payments/{payment}", bearer(i)) for i, payment in paid],
            OWN_AIM,
        )
        path = f"/queue/{self.plain}.json"
        stack.wait_for(lambda: self.size_of(path, {})[1], 10, "the queue file is there")
        self.against_static(
            "GET /queue/{id}.json", [raw("GET", path)], self.size_of(path, {})[1], 0.95
        )

    def waiting(self, counts):
        """Places in long queues; what the ticker and the memory cost then, and how fast it lets
        in."""
        w = self.world
        for count in counts:
            name = WAITING_NAME.format(count)
            if not self.table.wants("waiting", name):
                continue
            concert = w.concert(f"{count} waiting", max_active=0)
            began = time.monotonic()
            w.places(concert, count, active=False)
            w.settle(120)
            self.on_board(concert, count)
            self.table.say(
                f"{count:,} rows of people waiting made and read in "
                f"{time.monotonic() - began:.0f} s"
            )
            people = range(1, count + 1, max(1, count // PEOPLE))
            self.against_null(
                name,
                [
                    raw("GET", f"{API}/concerts/{concert}/queue", w.waiting_ticket(i, concert))
                    for i in people
                ],
            )
            pids = w.processes()["ticker"]
            before = cpu_ms(pids)
            time.sleep(5)
            self.table.figure(
                f"ticker, {count:,} waiting, nothing to do",
                (cpu_ms(pids) - before) / 5,
                "ms of CPU a second",
            )
            self.table.figure(f"memory of all processes, {count:,} waiting", w.memory_mib(), "MiB")
        if self.table.wants("waiting"):
            self.let_in(concert, count)
            self.audit("--fifo")

    def on_board(self, concert, count):
        """Until the queue file tells of them: then the ticker has read them."""

        def told():
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.world.port}/queue/{concert}.json", timeout=5
            ) as got:
                return re.search(rb'"waiting": ?%d\b' % count, got.read())

        stack.wait_for(told, 300, f"{count} waiting are in the queue file", every=0.1)

    def let_in(self, concert, count):
        """Those first in line have asked a moment ago, or they might not count as present."""
        w, people = self.world, 1000
        requests = [
            raw("GET", f"{API}/concerts/{concert}/queue", w.waiting_ticket(i, concert))
            for i in range(1, people + 1)
        ]
        wrk(w.port, requests, CLIENTS, 2)
        began = time.monotonic()
        w.ctl("queue", "set", concert, "--max-active", people)
        active = f"SELECT active FROM queue WHERE concert_id = {concert}"
        stack.wait_for(
            lambda: w.scalar(active) == str(people), 60, f"{people} are let in", every=0.005
        )
        self.table.figure(
            f"{people:,} of {count:,} let in, from the command on",
            (time.monotonic() - began) * 1000,
            "ms",
        )

    def audit(self, which):
        """Of all that this bench and the service wrote into the service's own tables."""
        done, output, took, mib = self.world.audit(which)
        rows = sum(map(int, re.findall(r"(\d+) rows", output)))
        self.table.figure(
            f"audit {which} of what was written here",
            took,
            "s",
            good=done == 0,
            notes=[f"{rows:,} rows", f"{mib:.0f} MiB"] + (output.splitlines()[-4:] if done else []),
        )
