# SPDX-License-Identifier: 0BSD
"""What operators look at, what they type, and the sale that the README shows."""
import os
import re
import subprocess
import tempfile
import time

from client import API, expect
from common import RICH, anybody, concert, joined, queue_file, sale, service, soon, spec, user
from stack import TOP_BUILDDIR, TOP_SRCDIR, alive, wait_for
from tap import skip, test


def metrics(on="main"):
    """Name and labels to value."""
    text = anybody(on).call("GET", "/metrics").raw.decode()
    found, typed = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
        elif line and not line.startswith("#"):
            match = re.fullmatch(r'(\w+)(\{(?:\w+="(?:[^"\\\n]|\\.)*",?)*\})? ([-+]?(?:[0-9.]+(?:e[-+]?\d+)?|Inf|NaN))', line)
            assert match, f"no line of the text format: {line}"
            name = re.sub(r"_(bucket|sum|count)$", "", match[1])
            assert match[1] in typed or name in typed, f"no TYPE before {line}"
            series = match[1] + (match[2] or "")
            assert series not in found, f"{series} twice"
            found[series] = float(match[3])
    return found


@test
def alive_and_ready():
    assert expect(anybody().call("GET", "/healthz"), 200) == {"status": "ok"}
    expect(anybody().call("GET", "/readyz"), 200)


@test
def metrics_count_requests():
    who = anybody()
    series = 'boxoffice_requests_total{route="GET /api/v1/concerts/{id}",code="CONCERT_NOT_FOUND"}'
    before = metrics().get(series, 0)
    for _ in range(3):
        expect(who.call("GET", API + "/concerts/0"), 404, "CONCERT_NOT_FOUND")
    assert wait_for(lambda: metrics().get(series, 0) == before + 3, 2, "three more in the metrics")


@test
def metrics_tell_queues_and_workers():
    c = concert(cap=1)
    joined(c), joined(c)

    def told():
        m = metrics()
        return m.get(f'boxoffice_queue_waiting{{concert="{c}"}}') == 1 and m.get(f'boxoffice_queue_active{{concert="{c}"}}') == 1

    wait_for(told, 2, "one waiting and one active in the metrics")
    m = metrics()
    assert m['boxoffice_workers{state="busy"}'] + m['boxoffice_workers{state="idle"}'] == 8
    assert m["boxoffice_board_age_seconds"] < 1


@test
def status_tells_pool_workers_and_queues():
    c = concert(cap=3)
    joined(c)

    def told():
        s = expect(anybody().call("GET", "/status"), 200)
        return s if any(q["concertId"] == c and q["tail"] == 1 and q["active"] == 1 for q in s["queues"]) else None

    s = wait_for(told, 2, "the queue in the status")
    assert s["pool"]["workers"] == len(s["workers"]) == 8 and s["pool"]["boardAgeMs"] < 1000
    assert s["pool"]["busy"] >= 1 and all(alive(w["pid"]) for w in s["workers"]) and alive(s["pool"]["tickerPid"])


@test
def status_tells_a_sale_as_it_goes():
    c, p = sale(cap=2, seats=20, price=700)
    buyer, other, waiting = joined(c, RICH), joined(c), joined(c)

    def told(**seats):
        def look():
            q = next((q for q in expect(anybody().call("GET", "/status"), 200)["queues"] if q["concertId"] == c), None)
            return q if q and q["tail"] == 3 and q["seats"] == {"total": 20, **seats} else None
        return wait_for(look, 10, f"{seats} in the status")

    q = told(free=20, held=0, sold=0)
    assert (q["title"], q["waiting"], q["active"], q["maxActive"]) == ("Concert", 1, 2, 2), q
    mine = expect(buyer.hold(c, p, 3, 4), 201)["reservationId"]
    expect(other.hold(c, p, 5), 201)
    q = told(free=17, held=3, sold=0)
    assert q["sales"] == {"reservations": 0, "amount": 0}, q
    expect(buyer.pay(c, mine), 201)
    q = told(free=17, held=1, sold=2)
    assert q["sales"] == {"reservations": 1, "amount": 1400}, q
    expect(buyer.cancel(mine), 200)
    q = told(free=19, held=1, sold=0)
    assert q["sales"] == {"reservations": 0, "amount": 0}, q
    assert q["admittedTotal"] == 3 and q["waiting"] == 0 and waiting.place(c).json["status"] == "ACTIVE", q


@test
def status_tells_what_was_answered():
    def answered():
        return expect(anybody().call("GET", "/status"), 200)

    before = answered()
    for _ in range(4):
        expect(anybody().call("GET", API + "/concerts/0"), 404, "CONCERT_NOT_FOUND")
        expect(anybody().call("GET", API + "/concerts"), 200)
    now = wait_for(lambda: (lambda s: s if s["requests"]["4xx"] >= before["requests"]["4xx"] + 4 else None)(answered()), 2, "four refusals more")
    assert now["requests"]["codes"]["CONCERT_NOT_FOUND"] == before["requests"]["codes"].get("CONCERT_NOT_FOUND", 0) + 4
    r = now["requests"]
    assert r["total"] == r["2xx"] + r["4xx"] + r["5xx"] + r["clientGone"] == sum(r["codes"].values())
    assert sum(w["requests"] for w in now["workers"] + now["writers"]) >= before["requests"]["total"] + 8
    # What is there is told from memory; what is not may just have been added, and is asked for.
    assert now["database"]["statements"] >= before["database"]["statements"] + 4 and now["database"]["reachable"]
    assert all(0 < w["memoryBytes"] < 1 << 30 for w in now["workers"])
    assert now["ticker"]["ticks"] > 0 and now["ticker"]["pid"] == now["pool"]["tickerPid"] and now["ticker"]["lastTickUs"] > 0


@test
def processes_show_what_they_are():
    s = expect(anybody().call("GET", "/status"), 200)
    for pid, word in ((s["pool"]["tickerPid"], b"ticker"), (s["workers"][0]["pid"], b"worker")):
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            assert word in f.read(), word


@test
def operators_see_and_change_queues():
    c = concert(cap=1, title="Operated")
    joined(c), joined(c)
    shown = service().ctl("queue", "show", c)
    assert shown, "queue show --json prints something"
    for args in (("queue", "show", 99999999), ("queue", "pause", 99999999), ("performance", "add", 99999999, "--starts-at", soon(9), "--venue", "V", "--price", 1)):
        done = service().ctl_raw(*args)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, f"{args}: {done}"
    for args in (("queue",), ("nonsense",), ("concert", "add"), ("queue", "set", c), ("queue", "set", c, "--max-active", "-1"), ("concert", "add", "--title", "x", "--nope"),
                 ("performance", "add", c, "--starts-at", "tomorrow", "--venue", "V", "--price", 1)):
        done = service().ctl_raw(*args)
        assert done.returncode == 2 and done.stderr, f"{args}: {done}"


@test
def what_operators_mistype_is_refused_in_plain_words():
    """One line that says what to do, before the database is asked: here there is none."""
    concert_add, performance_add = ("concert", "add"), ("performance", "add", "1")
    titled, dated = (*concert_add, "--title", "T"), (*performance_add, "--venue", "V", "--price", "1", "--starts-at", "2031-03-01T20:00:00Z")
    with open(service().config, encoding="utf-8") as f, tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
        conf.writelines(line for line in f if not line.startswith("database_socket"))
        conf.write("database_socket = /nonexistent/socket\n")
        conf.flush()

        def run(*args):
            return service().ctl_raw("--config", conf.name, *args)

        def refused(words, *args):
            done = run(*args)
            assert done.returncode == 2 and done.stderr.count("\n") == 1 and words in done.stderr and not done.stdout, f"{args}: {done}"
            assert "can't reach" not in done.stderr, done.stderr

        for taken in (titled, (*titled[:-1], "🎵" * 200), dated, (*titled, "--sales-open", "2028-02-29T23:59:59+23:59", "--sales-close", "2028-03-01T00:00:00Z")):
            done = run(*taken)
            assert done.returncode == 2 and "can't reach the database" in done.stderr, f"{taken}: {done}"
        for option, args in (("--title", concert_add), ("--venue", (*performance_add, "--price", "1", "--starts-at", "2031-03-01T20:00:00Z"))):
            refused(f"{option} is needed", *args)
            refused(f"{option} is longer than 200 characters", *args, option, "a" * 201)
            refused(f"{option} is longer than 200 characters", *args, option, "가" * 201)
            for blank in ("", " ", "\u3000\u00a0"):
                refused(f"{option} is blank", *args, option, blank)
            for bad in ("a\nb", "a\x7f", "a\u0085"):
                refused(f"{option} has control characters", *args, option, bad)
            refused(f"{option} is not in UTF-8", *args, option, b"\xff".decode(errors="surrogateescape"))
        for bad in ("2031-02-31T20:00:00Z", "2031-02-29T20:00:00Z", "2031-01-01T20:00:00+99:99", "2031-01-01T25:00:00Z", "2031-01-01T23:59:60Z", "2031-01-01T20:00:00", "tomorrow", "",
                    "1970-01-01T00:00:00Z"):
            refused("--sales-open must be a time", *titled, "--sales-open", bad)
            refused("--sales-close must be a time", *titled, "--sales-close", bad)
            refused("--sales-open must be a time", *dated, "--sales-open", bad)
            refused("--starts-at must be a time", *dated[:-1], bad)
        refused("--starts-at is needed", *dated[:-2])
        for command in (titled, dated):
            for close in ("2031-02-01T00:00:00Z", "2031-02-01T08:59:59+09:00"):
                refused("--sales-close must be after --sales-open", *command, "--sales-open", "2031-02-01T00:00:00Z", "--sales-close", close)
        for opens in ("2031-03-01T20:00:00Z", "2031-03-01T20:00:01Z"):
            refused("--sales-open must be before --starts-at", *dated, "--sales-open", opens)
        for seats in ("0", "-1", "100001", "5x", "", "1e3", " 5", "99999999999999999999999"):
            refused("--seats must be a whole number from 1 to 100000", *dated, "--seats", seats)
        for price in ("-1", "1.5", "1000000000001", "", "99999999999999999999999"):
            refused("--price must be a whole number of minor units from 0 to 1000000000000", *dated[:6], price, *dated[7:])
        refused("--price is needed", *performance_add, "--venue", "V", "--starts-at", "2031-03-01T20:00:00Z")
        for cap in ("-1", "1000001", "many"):
            refused("--max-active must be a whole number from 0 to 1000000", *titled, "--max-active", cap)
            refused("--max-active must be a whole number from 0 to 1000000", "queue", "set", "1", "--max-active", cap)
        for bad in ("0", "x", "1x", "99999999999999999999"):
            refused("CONCERT_ID must be a number", "performance", "add", bad, *dated[3:])
            refused("CONCERT_ID must be a number", "queue", "pause", bad)
        # What a command does not take, and what it would take one of two for.
        refused("queue pause takes no --max-active", "queue", "pause", "1", "--max-active", "5")
        refused("audit takes no --seats", "audit", "--seats", "5")
        refused("concert add takes no --sale", *titled, "--sale")
        refused("--title is given twice", *titled, "--title", "U")
        refused("usage: boxofficectl queue set CONCERT_ID --max-active N", "queue", "set", "--max-active", "5")
        refused("usage: boxofficectl concert list", "concert", "list", "all")
        for url in ("localhost", "ftp://localhost", "http://", "http://localhost:0", "http://localhost:65536", "http://localhost/somewhere", "http://me@localhost", "http://[::1",
                    "http://localhost:80?x", "http://localhost#x"):
            refused("--url must be like", "check", "--url", url)
        refused("no such command", "queue", "stop", "1")
        refused("no such command", "nonsense")
        refused("--nope", *titled, "--nope")
        refused("--title", *concert_add, "--title")


@test
def what_could_not_be_printed_is_told():
    for args in (("settings",), ("--json", "concert", "list"), ("--help",)):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([os.path.join(TOP_BUILDDIR, "boxofficectl"), "--config", service().config, *args], stdin=subprocess.DEVNULL, stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=30, check=False)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and "could not be written" in done.stderr, f"{args}: {done}"


@test
def a_worker_that_died_is_replaced():
    s = expect(anybody().call("GET", "/status"), 200)
    victim = s["workers"][0]["pid"]
    os.kill(victim, 9)

    def replaced():
        now = expect(anybody().call("GET", "/status"), 200)
        return now["pool"]["restarts"] > s["pool"]["restarts"] and all(w["state"] != "down" and w["pid"] != victim for w in now["workers"])

    wait_for(replaced, 3, "another worker")


@test
def a_ticker_that_died_is_replaced():
    c = concert(cap=1)
    first, second = joined(c), joined(c)
    os.kill(expect(anybody().call("GET", "/status"), 200)["pool"]["tickerPid"], 9)
    expect(first.leave(c), 204)
    wait_for(lambda: expect(second.place(c), 200)["status"] == "ACTIVE", 3, "let in by another ticker")
    assert expect(second.place(c), 200)["ahead"] == 0


@test
def a_reload_loses_no_request():
    who = user()
    pids = {w["pid"] for w in expect(anybody().call("GET", "/status"), 200)["workers"]}
    service().kill("fcgi", 1)
    end = time.monotonic() + 5
    while True:
        expect(who.balance(), 200)
        now = {w["pid"] for w in expect(anybody().call("GET", "/status"), 200)["workers"]}
        if not now & pids:
            break
        assert time.monotonic() < end, "not all workers were replaced"


@test
def the_sale_in_the_readme_works():
    readme = os.path.join(TOP_SRCDIR, "README.md")
    if not os.path.exists(readme):
        skip("no README.md")
    with open(readme, encoding="utf-8") as f:
        part = re.search(r"<!-- sale -->(.*?)<!-- /sale -->", f.read(), re.S)
    if not part:
        skip("no sale in README.md")
    lines = "".join(re.findall(r"^```sh\n(.*?)^```", part[1], re.S | re.M))
    assert lines, "no ```sh block in the sale"
    lines = lines.replace("http://localhost:8080", f"http://127.0.0.1:{service().port}")
    done = subprocess.run(["bash", "-euo", "pipefail", "-x"], input=lines, capture_output=True, text=True, timeout=30, cwd=service().folder)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-1500:]}\n{done.stderr[-2000:]}"
    assert "PAID" in done.stdout or "paymentId" in done.stdout or "paidAt" in done.stdout, f"nothing was paid:\n{done.stdout[-2000:]}"
