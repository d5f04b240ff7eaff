# SPDX-License-Identifier: 0BSD
"""Numbers: what Prometheus reads, and what nginx refused by itself."""
import glob
import os
import shutil
import subprocess
import threading

from client import API, Client, expect
from common import anybody, concert, held, joined, paid, sale, service, spec, user
from operation import metrics
from stack import TOP_BUILDDIR, wait_for
from tap import note, skip, test


def nginx_made(code, on="main"):
    return metrics(on).get(f'boxoffice_nginx_errors_total{{code="{code}"}}', 0)  # shortly after a start there are none yet


def errors_file(on):
    return os.path.join(service(on).folder, "log", "nginx.errors")


@test
def metrics_pass_the_check_of_prometheus():
    promtool = shutil.which("promtool") or next(iter(glob.glob(os.path.join(TOP_BUILDDIR, "var", "tools", "promtool"))), None)
    if not promtool:
        skip("no promtool; Debian has it in the package prometheus")
    c, p = sale(cap=2)
    concert(title='"quoted" back\\slash, 콘서트')
    paid(c, p, 1)
    wait_for(lambda: metrics().get(f'boxoffice_queue_seats_sold{{concert="{c}"}}') == 1, 3, "a seat sold in the metrics")
    text = anybody().call("GET", "/metrics").raw
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert done.returncode == 0 and not done.stdout and not done.stderr, (done.stdout + done.stderr).decode()


@test
def titles_are_escaped_in_the_metrics():
    c = concert(title='a "b" \\ 콘서트')
    wait_for(lambda: f'boxoffice_queue_info{{concert="{c}",title="a \\"b\\" \\\\ 콘서트"}}' in metrics(), 3, "the title in the metrics")


@test
def histograms_add_up():
    user()
    m = metrics()
    routes = {series[len("boxoffice_request_seconds_count"):] for series in m if series.startswith("boxoffice_request_seconds_count{")}
    assert '{route="POST /api/v1/users"}' in routes
    for route in routes:
        label = route[1:-1]
        buckets = [(float(s.rpartition('le="')[2][:-2]), v) for s, v in m.items() if s.startswith(f"boxoffice_request_seconds_bucket{{{label},")]
        values = [v for _, v in sorted(buckets)]
        assert len(values) == 14 and values == sorted(values) and values[-1] == m["boxoffice_request_seconds_count" + route], f"{route}: {buckets}"
        answered = sum(v for s, v in m.items() if s.startswith(f"boxoffice_requests_total{{{label},"))
        assert answered >= values[-1] > 0, f"{route}: {answered} answered, {values[-1]} timed"


@test
def metrics_follow_a_sale():
    c, p = sale(cap=3, seats=10, price=500)
    paid(c, p, 1, 2)
    held(c, p, 3)
    joined(c), joined(c), joined(c)

    def told(**values):
        def look():
            m = metrics()
            return all(m.get(f'boxoffice_queue_{name}{{concert="{c}"}}') == v for name, v in values.items())
        wait_for(look, 5, f"{values} in the metrics")

    told(seats=10, seats_left=7, seats_held=1, seats_sold=2, reservations_paid=1, sales_minor_units=1000, joined_total=5, admitted_total=4,
         waiting=1, active=3, max_active=3, paused=0, draining=0, no_show_total=0)


@test
def metrics_tell_statements():
    def runs():
        m = metrics()
        return m.get('boxoffice_database_statement_seconds_count{statement="BATCH_STORE"}', 0), m["boxoffice_database_statements_total"]

    before = runs()
    user()
    user()
    wait_for(lambda: runs()[0] >= before[0] + 2 and runs()[1] >= before[1] + 2, 2, "two users more")
    m = metrics()
    assert 0 < m["boxoffice_database_seconds_total"] and m["boxoffice_database_answer_age_seconds"] < 3
    assert {f'boxoffice_database_errors_total{{kind="{k}"}}' for k in ("run_again", "lost", "outcome_unknown", "unreachable", "failed")} <= set(m)


@test
def what_nginx_refuses_is_counted():
    codes = ("ROUTE_NOT_FOUND", "BODY_TOO_LARGE", "VALIDATION_FAILED", "METHOD_NOT_ALLOWED", "CONCERT_NOT_FOUND")
    before = {c: nginx_made(c) for c in codes}
    who = anybody()
    expect(who.call("GET", "/nothing"), 404, "ROUTE_NOT_FOUND")
    expect(who.call("GET", "/nothing/more"), 404, "ROUTE_NOT_FOUND")
    expect(who.call("GET", "/queue/424242.json"), 404, "CONCERT_NOT_FOUND")
    expect(who.call("POST", "/"), 405, "METHOD_NOT_ALLOWED")
    expect(who.call("POST", API + "/users", b"x" * 70000), 413, "BODY_TOO_LARGE")
    assert who.raw(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40000 + b"\r\n\r\n").status == 400
    # What a worker refuses is not nginx's.
    expect(who.call("GET", API + "/nothing"), 404, "ROUTE_NOT_FOUND")
    after = {"ROUTE_NOT_FOUND": 2, "BODY_TOO_LARGE": 1, "VALIDATION_FAILED": 1, "METHOD_NOT_ALLOWED": 1, "CONCERT_NOT_FOUND": 1}
    wait_for(lambda: {c: nginx_made(c) - before[c] for c in codes} == after, 3, f"{after} more in the metrics")
    told = expect(who.call("GET", "/status"), 200)["nginxErrors"]
    assert told["ROUTE_NOT_FOUND"] == nginx_made("ROUTE_NOT_FOUND"), told


@test
def each_refusal_of_a_flood_is_counted():
    who, statuses = user(on="limited"), []
    path, before = f"{API}/users/{who.user_id}/balance/charges", nginx_made("RATE_LIMITED", "limited")

    def charge():
        mine = Client(who.port, spec.see)
        for _ in range(30):
            statuses.append(mine.call("POST", path, {"amount": 0}, access=who.access, key="k").status)
            if statuses[-1] != 429:
                break  # let through, perhaps slowed down: the rate is for others

    threads = [threading.Thread(target=charge) for _ in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    refused = statuses.count(429)
    assert refused > 200, f"{refused} of {len(statuses)} refused"
    wait_for(lambda: nginx_made("RATE_LIMITED", "limited") - before == refused, 5, f"{refused} more in the metrics")
    note(f"{refused} of {len(statuses)} refused and counted")


@test
def nginx_goes_on_and_nothing_is_lost_when_nobody_counts():
    who, was = anybody("limited"), nginx_made("BUSY", "limited")
    ticker = expect(who.call("GET", "/status"), 200)["ticker"]["pid"]
    before = nginx_made("ROUTE_NOT_FOUND", "limited")
    # The one who counts is stopped: nobody waits for it.
    os.kill(ticker, 19)
    try:
        took = max(who.call("GET", "/nothing").took_s for _ in range(100))
        assert took < 1, f"{took} s"
    finally:
        os.kill(ticker, 18)
    wait_for(lambda: nginx_made("ROUTE_NOT_FOUND", "limited") == before + 100, 15, "a hundred more in the metrics")
    # It is replaced: nothing is counted twice.
    os.kill(ticker, 9)
    expect(who.call("GET", "/nothing"), 404, "ROUTE_NOT_FOUND")
    wait_for(lambda: nginx_made("ROUTE_NOT_FOUND", "limited") == before + 101, 15, "one more in the metrics")
    # None of the service is there: what clients got meanwhile is counted afterwards.
    service("limited").kill("fcgi")

    def away():
        return who.call("GET", API + "/concerts").status == 503

    busy = sum(away() for _ in range(20))
    wait_for(lambda: who.call("GET", "/readyz").status == 200, 20, "the service back")
    assert busy > 0
    wait_for(lambda: nginx_made("BUSY", "limited") >= was + busy, 15, f"{busy} more in the metrics")
    # Emptied in place, as logrotate does it.
    os.truncate(errors_file("limited"), 0)
    before = nginx_made("ROUTE_NOT_FOUND", "limited")
    expect(who.call("GET", "/nothing"), 404, "ROUTE_NOT_FOUND")
    wait_for(lambda: nginx_made("ROUTE_NOT_FOUND", "limited") == before + 1, 15, "one more after the file was emptied")
