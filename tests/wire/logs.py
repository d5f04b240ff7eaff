# SPDX-License-Identifier: 0BSD
"""What is logged, where to, and what never is."""
import json
import os
import re
import select
import socket
import subprocess
import threading
import time

import fastcgi
from client import API
from common import anybody, concert, joined, service, user
from stack import TOP_BUILDDIR, wait_for
from tap import skip, test


def lines(on="main"):
    with open(os.path.join(service(on).folder, "log", "fcgi.log"), encoding="ascii") as f:  # all else is escaped
        return f.read().splitlines()


def lines_of(answer, on="main"):
    """The lines of the request with this answer."""
    mark = "request=" + answer.header("X-Request-Id") + ":"
    return wait_for(lambda: [line for line in lines(on) if mark in line], 2, f"a line with {mark}")


@test
def each_request_is_one_line_at_debug():
    answer = anybody().call("GET", API + "/concerts?limit=3")
    told = lines_of(answer)
    assert len(told) == 1 and re.fullmatch(r"\S+Z debug worker\[\d+\] request=\w+: GET /api/v1/concerts 200 OK \d+ us", told[0]), told
    answer = anybody().call("GET", API + "/concerts/0")
    told = lines_of(answer)
    assert len(told) == 1 and re.search(r" info worker\[\d+\] .*: GET /api/v1/concerts/0 404 CONCERT_NOT_FOUND \d+ us", told[0]), told


@test
def slow_requests_are_warnings_with_their_statements():
    c = concert("short")
    who, joins = user(on="short"), []
    with service("short").locked(f"SELECT * FROM queue WHERE concert_id = {c} FOR UPDATE"):
        thread = threading.Thread(target=lambda: joins.append(who.join(c)))
        thread.start()
        time.sleep(0.9)  # slow_request_ms is 400, and it takes a moment to get there
    thread.join()
    told = lines_of(joins[0], "short")
    slow = [line for line in told if " warning " in line]
    assert len(slow) == 1 and re.search(r"POST /api/v1/concerts/\d+/queue 201 OK \d+ us, slow: BATCH_LOAD \d{6,} us, BATCH_STORE \d+ us", slow[0]), told


@test
def nothing_a_client_sends_begins_a_line():
    forged = "2026-11-23T08:44:00.000Z%20error%20master%5B1%5D:%20all%20is%20lost"
    answer = anybody().call("GET", API + "/x%0a" + forged + "%0d%1b%5b31m%7f%c2%9b%ed%95%9c%5cx")
    told = lines_of(answer)
    assert len(told) == 1 and "GET /api/v1/x\\x0a2026-11-23T08:44:00.000Z error" in told[0], told
    assert told[0].partition("lost")[2].startswith("\\x0d\\x1b[31m\\x7f\\xc2\\x9b\\xed\\x95\\x9c\\x5cx 404"), told
    assert not [line for line in lines() if line.startswith("2026-11-23T08:44:00.000Z error")]


@test
def nginx_notes_neither_queries_nor_headers():
    c = concert()
    who = joined(c)
    answer = anybody().call("GET", f"{API}/concerts?after=seen-by-nobody", token=who.tokens[c], access=who.access)

    def noted():
        with open(os.path.join(service().folder, "log", "access.log"), encoding="utf-8") as f:
            return [line for line in f if answer.header("X-Request-Id") in line]
    assert wait_for(noted, 2, "a line in the access log")
    assert "seen-by-nobody" not in noted()[0] and who.access not in noted()[0]


JOURNAL = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal
/lib/systemd/systemd-journald > /dev/null 2>&1 &
journald=$!
service=
trap 'kill $service $journald 2> /dev/null; wait' EXIT
until [ -S /run/systemd/journal/stdout ] && [ -S /run/systemd/journal/socket ]; do sleep 0.05; done
systemd-cat sh -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"' sh "$@" &
service=$!
while read -r _; do
  journalctl --no-pager --all -o json -D /run/log/journal
  echo
done
"""


def answers(path):
    """A socket is there before it listens."""
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(path) == 0


@test
def the_journal_gets_fields():
    if os.geteuid() != 0 or not os.path.exists("/lib/systemd/systemd-journald"):
        skip("needs root and systemd-journald")
    if subprocess.run(["unshare", "-m", "mount", "--make-rprivate", "/"], capture_output=True).returncode:
        skip("may not mount here")
    folder = service().folder
    path, own = os.path.join(folder, "journal.conf"), {"listen_socket": os.path.join(folder, "run", "journal.sock"), "queue_state_dir": os.path.join(folder, "journal-queue"),
                                                       "workers": "1", "log_level": "7"}
    with open(service().config, encoding="utf-8") as f:
        settings = dict(line.rstrip("\n").split(" = ", 1) for line in f if " = " in line)
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(f"{k} = {v}\n" for k, v in {**settings, **own}.items())
    program = os.path.join(TOP_BUILDDIR, "boxoffice-fcgi")
    with subprocess.Popen(["unshare", "-m", "bash", "-c", JOURNAL, "bash", program, "--config", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as there:
        try:
            wait_for(lambda: answers(own["listen_socket"]), 20, "a service under the journal")
            got = fastcgi.ask(own["listen_socket"], {"REQUEST_METHOD": "GET", "DOCUMENT_URI": API + "/concerts/0\nPRIORITY=0", "REQUEST_ID": "abc123\nMESSAGE=forged"})
            assert b"404" in got, got

            def entries():
                there.stdin.write("\n")
                there.stdin.flush()
                assert select.select([there.stdout], [], [], 20)[0], "no journal"
                return [json.loads(line) for line in iter(there.stdout.readline, "\n")]

            entry = wait_for(lambda: next((e for e in entries() if "BOXOFFICE_STATUS" in e), None), 10, "the request in the journal", every=0.2)
            assert entry["PRIORITY"] == "6" and entry["SYSLOG_IDENTIFIER"] == "boxoffice" and entry["BOXOFFICE_PROCESS"] == "worker", entry
            assert entry["BOXOFFICE_REQUEST_ID"] == "abc123\\x0aMESSAGE=forged" and entry["BOXOFFICE_METHOD"] == "GET", entry
            assert entry["BOXOFFICE_STATUS"] == "404" and entry["BOXOFFICE_CODE"] == "CONCERT_NOT_FOUND" and entry["BOXOFFICE_ROUTE"] == "GET /api/v1/concerts/{id}", entry
            assert int(entry["BOXOFFICE_TIME_US"]) >= 0 and entry["_TRANSPORT"] == "journal" and entry["MESSAGE"].startswith("request=abc123\\x0aMESSAGE=forged: GET "), entry
            master = [e for e in entries() if e.get("BOXOFFICE_PROCESS") == "master"]
            assert master and master[0]["PRIORITY"] == "5" and "serving with 1 workers" in master[0]["MESSAGE"], master
        finally:
            there.stdin.close()
            there.wait(20)
