#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""The nginx site: as it is installed, with a certificate of its own, and its limits under a flood. Speaks TAP."""
import collections
import multiprocessing
import os
import re
import selectors
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import stack
import tap
from client import API, Client, User, expect
from tap import test

os.environ["PATH"] += ":/usr/sbin:/sbin"
site = None

# What every answer bears, whoever made it.
ALWAYS = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}


class Installed:
    """nginx with the site that `make install` installs; only its ports, certificate, log and the paths below /run are others.
    Nothing is behind it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="boxoffice-site-")
        self.port, self.https_port = stack.free_ports(2)
        self.process = None
        with open(os.path.join(stack.TOP_BUILDDIR, "nginx", "boxoffice.conf"), encoding="utf-8") as f:
            self.text = f.read()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-keyout", self.path("tls.key"), "-out", self.path("tls.crt")],
                       check=True, capture_output=True)
        shutil.copytree(os.path.join(stack.TOP_SRCDIR, "nginx", "www"), self.path("www"))
        os.mkdir(self.path("queue"))
        with open(self.path("queue/1.json"), "w", encoding="utf-8") as f:
            f.write("{}")
        os.chmod(self.folder, 0o755)  # nginx's workers may be another user
        self.command = ["nginx", "-c", self.path("nginx.conf"), "-p", self.folder, "-e", self.path("error.log")]
        self.write()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, change=lambda text: text):
        """The site's file, with a change, in an nginx of its own."""
        text = change(self.text)
        for a, b in ((" 80 ", f" {self.port} "), (" 443 ", f" {self.https_port} "), ("[::]:80 ", f"[::]:{self.port} "), ("[::]:443 ", f"[::]:{self.https_port} ")):
            assert "listen" + a in text or a.startswith("[") and "listen " + a in text, f"no `listen{a}`"
            text = text.replace("listen" + a, "listen" + b).replace("listen " + a, "listen " + b)
        for line in text.splitlines():
            if "ssl_certificate" in line or "access_log" in line:
                path = line.split('"')[1]
                text = text.replace(path, self.path(os.path.basename(path)))
        text = text.replace("/run/boxoffice/", self.folder + "/")
        text = re.sub(r'(alias|root)( +)".*/www\b', rf'\1\2"{self.folder}/www', text)
        if not os.path.exists("/proc/net/if_inet6") or not open("/proc/net/if_inet6").read():
            text = text.replace("listen [::]", "#listen [::]")
        with open(self.path("site.conf"), "w", encoding="utf-8") as f:
            f.write(text)
        temporary = "".join(f'{kind}_temp_path "{self.path(kind)}"; ' for kind in ("client_body", "fastcgi", "proxy", "scgi", "uwsgi"))
        with open(self.path("nginx.conf"), "w", encoding="utf-8") as f:
            f.write(f'daemon off; pid "{self.path("nginx.pid")}"; worker_processes 1; events {{ worker_connections 512; }}\n'
                    f'http {{ {temporary} include "{self.path("site.conf")}"; }}\n')

    def check(self):
        """nginx -t."""
        return subprocess.run([*self.command, "-t"], capture_output=True, text=True, timeout=30)

    def start(self):
        if self.process:
            return
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=lambda: stack._libc.prctl(1, signal.SIGTERM))
        stack.wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", self.https_port)) == 0, 20, "nginx listens")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def tls(self, least, most, ciphers=None, protocols=()):
        """The version, the cipher and the protocol agreed on; None when there is no agreement."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that the old ones are old is why they are tried
            context.minimum_version, context.maximum_version = least, most
        context.set_ciphers((ciphers or "ALL") + ":@SECLEVEL=0")  # or the client itself would refuse what is old
        context.set_alpn_protocols(list(protocols))
        try:
            with socket.create_connection(("127.0.0.1", self.https_port), timeout=20) as plain, context.wrap_socket(plain) as s:
                return s.version(), s.cipher()[0], s.selected_alpn_protocol()
        except (ssl.SSLError, ConnectionResetError):
            return None


def headers(answer, *more):
    for name, value in [*ALWAYS.items(), *more]:
        assert answer.header(name) == value, f"{name} is {answer.header(name)}: {answer} {answer.headers}"
    assert answer.header("X-Request-Id"), answer
    return answer


@test
def nginx_takes_the_site_as_it_is_installed():
    done = site.check()
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.replace('"user" directive', ""), done.stderr


@test
def nginx_takes_the_lines_for_a_load_balancer():
    site.write(lambda text: text.replace("#set_real_ip_from", "set_real_ip_from").replace("#real_ip", "real_ip"))
    try:
        assert "\n    real_ip_header" in open(site.path("site.conf"), encoding="utf-8").read()
        done = site.check()
        assert done.returncode == 0, done.stderr
    finally:
        site.write()


@test
def an_installation_answers_over_https_only():
    site.start()
    plain = Client(site.port)
    for method in ("GET", "POST"):
        answer = headers(plain.call(method, "/api/v1/concerts?limit=2"))
        assert answer.status == 308 and answer.header("Location") == "https://127.0.0.1/api/v1/concerts?limit=2", f"{answer} {answer.headers}"
        assert answer.header("Strict-Transport-Security") is None, "over plain HTTP it would be ignored, or forged"


@test
def tls_is_1_2_or_1_3_with_forward_secrecy_and_http_2():
    site.start()
    v = ssl.TLSVersion
    assert site.tls(v.TLSv1_3, v.TLSv1_3, protocols=["h2", "http/1.1"])[::2] == ("TLSv1.3", "h2")
    version, cipher, protocol = site.tls(v.TLSv1_2, v.TLSv1_2, protocols=["h2"])
    assert version == "TLSv1.2" and protocol == "h2" and cipher.startswith("ECDHE-ECDSA-"), (version, cipher, protocol)
    assert site.tls(v.TLSv1_2, v.TLSv1_2, "ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA") is None, "CBC ciphers"
    for old in (v.TLSv1, v.TLSv1_1):
        assert site.tls(old, old) is None, f"{old.name} is taken"


@test
def every_answer_bears_the_security_headers():
    site.start()
    over_tls = Client(site.https_port, tls=True)
    hsts = ("Strict-Transport-Security", "max-age=31536000")
    # Whether there is a concert without a queue file is for a worker to say, and there is none.
    for path, status in (("/", 200), ("/assets/app.js", 200), ("/operator/", 200), ("/queue/1.json", 200), ("/queue/2.json", 503), ("/nowhere", 404), (API + "/concerts", 503)):
        answer = headers(over_tls.call("GET", path), hsts)
        assert answer.status == status, answer
    # From a connection that ends in the request's first line, too.
    with ssl._create_unverified_context().wrap_socket(socket.create_connection(("127.0.0.1", site.https_port), timeout=20)) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
        got = s.recv(4096).decode()
    assert got.startswith("HTTP/1.1 400 ") and "nosniff" in got and "problem+json" in got, got


@test
def a_location_with_a_header_of_its_own_repeats_those_of_all():
    """It would inherit none of them."""
    server, *locations = re.split(r"^ {4}location ", site.text, flags=re.MULTILINE)
    every = set(re.findall(r"^ {4}add_header +(\S+)", server, re.MULTILINE))
    assert every >= {*ALWAYS, "X-Request-Id", "Strict-Transport-Security"}, every
    for location in locations:
        own = set(re.findall(r"add_header +(\S+)", location))
        assert not own or own >= every, f"location {location.splitlines()[0]} lacks {every - own}"


@test
def the_demo_says_nothing_of_hsts():
    with stack.Stack(workers=2) as demo:
        for client in (Client(demo.port), Client(demo.https_port, tls=True)):
            for path in ("/", "/assets/app.js", "/nowhere", API + "/concerts", "/queue/9.json"):
                answer = headers(client.call("GET", path))
                assert answer.header("Strict-Transport-Security") is None, answer.headers


FLOOD_PER_S = 8000  # 40 times the rate that one address is given; more would measure how this machine shares its cores


def flood(port, source, connections, going, results):
    """Somebody at one address who asks FLOOD_PER_S times a second over many connections. More of them than are slowed down, or the
    slowing alone would tame him. A process of its own, so that who measures is not kept waiting by it."""
    stack._libc.prctl(1, signal.SIGKILL)  # end with the test, however that ends
    os.nice(5)
    ask = f"GET {API}/concerts HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    counts, began = collections.Counter(), time.monotonic()
    with selectors.DefaultSelector() as ready:
        def dial():
            s = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))
            s.sendall(ask)
            ready.register(s, selectors.EVENT_READ)

        for _ in range(connections):
            dial()
        while going.value:
            time.sleep(max(0.0, min(0.1, counts.total() / FLOOD_PER_S - (time.monotonic() - began))))
            for key, _ in ready.select(0.1):
                try:
                    got = key.fileobj.recv(65536)
                    if got.startswith(b"HTTP/1.1 "):
                        counts[int(got[9:12])] += 1
                    if got:
                        key.fileobj.sendall(ask)
                        continue
                except ConnectionError:
                    pass
                ready.unregister(key.fileobj)  # nginx ends a connection with its 1000th request
                key.fileobj.close()
                dial()
    results.put((dict(counts), time.monotonic() - began))


def bystander(client, who, seconds):
    """Somebody else: looks at concerts and a balance, some ten times a second each; milliseconds by answer."""
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        for answer in (client.call("GET", API + "/concerts"), client.call("GET", f"{API}/users/{who.user_id}/balance", access=who.access)):
            assert answer.status == 200, f"refused with the flooder: {answer}"
            took.append(answer.took_s * 1000)
        time.sleep(0.1)
    return took


@test
def a_flood_from_one_address_is_refused_and_others_are_served():
    with stack.Stack(limits=True, workers=4) as host:
        host.ctl("concert", "add", "--title", "Flooded")
        other = Client(host.port, source="127.0.0.3")
        who = User(host.port)
        before = bystander(other, who, 3)
        going, results = multiprocessing.Value("b", 1), multiprocessing.Queue()
        flooder = multiprocessing.Process(target=flood, args=(host.port, "127.0.0.2", 400, going, results), daemon=True)
        flooder.start()
        try:
            again = Client(host.port, source="127.0.0.2")
            refused = stack.wait_for(lambda: next((a for a in [again.call("GET", API + "/concerts")] if a.status != 200), None), 20, "he is refused")
            during = bystander(other, who, 4)
        finally:
            going.value = 0
        counts, took_s = results.get(timeout=30)
        flooder.join(10)
        total = sum(counts.values())
        tap.note(f"127.0.0.2: {total} requests in {took_s:.1f} s ({total / took_s:.0f} a second), by status {counts}")
        tap.note(f"127.0.0.3 before: {len(before)} requests, all 200, median {statistics.median(before):.2f} ms, worst {max(before):.1f} ms")
        tap.note(f"127.0.0.3 during: {len(during)} requests, all 200, median {statistics.median(during):.2f} ms, worst {max(during):.1f} ms")
        assert expect(refused, 429, "RATE_LIMITED")["status"] == 429 and int(headers(refused).header("Retry-After")) >= 1, refused.headers
        assert set(counts) == {200, 429}, counts
        # What the site's limits give one address: the rate, and what it starts with.
        assert counts[200] <= 200 * (took_s + 1) + 700, counts
        assert counts[429] > counts[200], f"no flood: {counts}"
        # The flooder's own program shares this machine, with other tests perhaps: this catches queueing behind him, no more.
        assert statistics.median(during) < 500, "served, but slowly"
        # He is told when to come again; so it is.
        assert stack.wait_for(lambda: Client(host.port, source="127.0.0.2").call("GET", API + "/concerts").status == 200, 10, "served again")


if __name__ == "__main__":
    site = Installed()
    try:
        failed = tap.run()
    finally:
        site.stop()
    sys.exit(1 if failed else 0)
