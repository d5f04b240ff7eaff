# SPDX-License-Identifier: 0BSD
"""The yardsticks: started beside a service, on its machine, behind its nginx or one of the same
settings."""
import glob
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from load import Load
import stack

HERE = os.path.dirname(os.path.abspath(__file__))
WORKERS = 16  # as many as the service has
PHP_LACKS = "apt-get install php-fpm php-mysql"


def answers(port, path, method="GET"):
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method), timeout=5
        ) as got:
            return got.status < 300
    except (OSError, urllib.error.HTTPError):
        return False


def listens(path):
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(path)
            return True
        except OSError:
            return False


def find_php():
    """php-fpm, when it can do mysqli; else None."""
    programs = sorted(glob.glob("/usr/sbin/php-fpm[0-9]*")) or [shutil.which("php-fpm")]
    if not programs[-1]:
        return None
    modules = subprocess.run([programs[-1], "-m"], capture_output=True, text=True).stdout.split()
    return programs[-1] if "mysqli" in modules else None


class Yardsticks:
    """Ends what it started with stop()."""

    def __init__(self, world):
        self.world, self.processes = world, []
        self.folder = os.path.join(world.folder, "yard")
        os.makedirs(self.folder)
        self.php_socket = os.path.join(os.path.dirname(world.socket), "php.sock")
        self._locations()

    def spawn(self, *command, **more):
        process = subprocess.Popen(
            command,
            start_new_session=True,
            preexec_fn=lambda: stack._libc.prctl(1, signal.SIGTERM),
            **more,
        )
        self.processes.append(process)
        return process

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait()

    def _locations(self):
        """Static files and the PHP page, in the service's own nginx: same workers, same headers,
        same log."""
        params = (
            "REQUEST_METHOD $request_method",
            "QUERY_STRING $query_string",
            "REQUEST_URI $request_uri",
            "CONTENT_TYPE $content_type",
            "CONTENT_LENGTH $content_length",
            "SERVER_PROTOCOL $server_protocol",
            "REMOTE_ADDR $remote_addr",
            f'SCRIPT_FILENAME "{HERE}/plain.php"',
            "REDIRECT_STATUS 200",
        )
        added = (
            f'location ^~ /yard/ {{ root "{self.world.folder}"; types {{ }} '
            "default_type application/octet-stream; }\n"
            f'    location = /yard/plain.php {{ fastcgi_pass "unix:{self.php_socket}"; '
            + " ".join(f"fastcgi_param {p};" for p in params)
            + " }\n    "
        )
        path = os.path.join(self.world.folder, "site.conf")
        with open(path, encoding="utf-8") as f:
            site = f.read()
        assert site.count("location = /openapi.yaml") == 1
        with open(path, "w", encoding="utf-8") as f:
            f.write(site.replace("location = /openapi.yaml", added + "location = /openapi.yaml"))
        self.static("ready", 2)
        self.world.stack.kill("nginx", signal.SIGHUP)
        stack.wait_for(
            lambda: answers(self.world.port, "/yard/ready"), 10, "nginx has read its settings again"
        )
        time.sleep(1)  # the workers of before leave

    def static(self, name, size):
        """A file of so many bytes that nobody can make smaller; its path."""
        with open(os.path.join(self.folder, name), "wb") as f:
            f.write(os.urandom(size))
        return "/yard/" + name

    def start_null(self):
        """The null program behind an nginx of the same settings but for the upstream; its port."""
        port, https = stack.free_ports(2)
        sock, folder = (
            os.path.join(os.path.dirname(self.world.socket), "null.sock"),
            self.world.folder,
        )
        self.spawn(os.path.join(stack.TOP_BUILDDIR, "tests/bench/null-fcgi"), sock, str(WORKERS))
        with open(os.path.join(folder, "site.conf"), encoding="utf-8") as f:
            site = re.sub(r'server\s+"unix:[^"]*"', f'server "unix:{sock}"', f.read())
        site = site.replace(str(self.world.port), str(port)).replace(
            str(self.world.stack.https_port), str(https)
        )
        with open(os.path.join(folder, "nginx.conf"), encoding="utf-8") as f:
            nginx = (
                f.read()
                .replace("/nginx.pid", "/null-nginx.pid")
                .replace("/site.conf", "/null-site.conf")
            )
        for name, text in (("null-site.conf", site), ("null-nginx.conf", nginx)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write(text)
        self.spawn(
            "nginx",
            "-e",
            os.path.join(folder, "log", "null.log"),
            "-p",
            folder,
            "-c",
            os.path.join(folder, "null-nginx.conf"),
        )
        stack.wait_for(lambda: answers(port, "/healthz"), 10, "the null program answers")
        return port

    def start_php(self, users):
        """The PHP page with tables of its own: one concert, one performance. Whether it runs."""
        program = find_php()
        if not program:
            return False
        password = secrets.token_hex(12)
        self.world.sql(
            f"""
            CREATE DATABASE plain;
            CREATE USER plain@localhost IDENTIFIED BY '{password}';
            GRANT ALL ON plain.* TO plain@localhost;
            CREATE TABLE plain.counter (concert_id INT PRIMARY KEY, tail INT NOT NULL);
            CREATE TABLE plain.place (concert_id INT, number INT, user_id INT NOT NULL, PRIMARY KEY
                                      (concert_id, number), UNIQUE KEY (concert_id, user_id));
            CREATE TABLE plain.seat (performance_id INT, seat_number INT, user_id INT NULL,
                                     taken_until INT NOT NULL, PRIMARY KEY (performance_id,
                                     seat_number));
            CREATE TABLE plain.reservation (reservation_id INT AUTO_INCREMENT PRIMARY KEY,
                                            performance_id INT NOT NULL, seat_number INT NOT NULL,
                                            user_id INT NOT NULL);
            INSERT INTO plain.counter VALUES (1, 0);
            INSERT INTO plain.seat SELECT 1, seq, NULL, 0 FROM seq_1_to_{users};"""
        )
        conf = os.path.join(self.folder, "php-fpm.conf")
        owner = "user = root\ngroup = root\n" if os.geteuid() == 0 else ""
        with open(conf, "w", encoding="utf-8") as f:
            f.write(
                f"[global]\nerror_log = {self.world.folder}/log/php.log\ndaemonize = "
                f"no\n[plain]\n{owner}"
                f"listen = {self.php_socket}\nlisten.mode = 0666\nlisten.backlog = 4096\npm = "
                f"static\npm.max_children = {WORKERS}\n"
                f"env[PLAIN_SOCKET] = {self.world.socket}\nenv[PLAIN_PASSWORD] = {password}\n"
            )
        self.spawn(
            program,
            "-F",
            "-y",
            conf,
            *(["-R"] if os.geteuid() == 0 else []),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.wait_for(
            lambda: listens(self.php_socket),
            10,
            f"php-fpm listens; see {self.world.folder}/log/php.log",
        )
        return True

    def copy_tables(self):
        """The bare SQL's own database: the same tables with the same rows, so that the audit of
        the service's sees only what the service did."""
        tables = self.world.scalar(
            "SELECT GROUP_CONCAT(table_name) FROM information_schema.tables"
            " WHERE table_schema = 'boxoffice' AND table_type = 'BASE TABLE'"
        ).split(",")
        self.world.sql(
            "CREATE DATABASE yard;"
            + "".join(
                f"CREATE TABLE yard.{t} LIKE boxoffice.{t}; INSERT INTO yard.{t} SELECT * FROM "
                f"boxoffice.{t};"
                for t in tables
            )
        )

    def bare_sql(self, mode, seconds, first, concert=0, performance=0):
        """One run, over as many connections as the service has workers, for the users from first
        on."""
        out = subprocess.run(
            [
                os.path.join(stack.TOP_BUILDDIR, "tests/bench/bare-sql"),
                self.world.socket,
                "root",
                "",
                "yard",
                mode,
                str(WORKERS),
                str(seconds),
                str(first),
                str(concert),
                str(performance),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        if out.returncode:
            sys.exit(f"bench: bare SQL can't {mode}")
        rate, p50, p99 = map(float, out.stdout.split())
        return Load(rate, p50 / 1000, p99 / 1000, int(rate * seconds))
