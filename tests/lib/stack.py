# SPDX-License-Identifier: 0BSD
"""A whole service of one's own: starts `tests/stack run` in a private folder on free ports, ends it again.

Nothing outlives the test: not on failure, not on a signal. Several can run side by side.
"""
import atexit
import contextlib
import ctypes
import json
import os
import queue
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

_HERE = os.path.dirname(os.path.abspath(__file__))
TOP_SRCDIR = os.path.abspath(os.environ.get("top_srcdir") or os.path.join(_HERE, "..", ".."))
TOP_BUILDDIR = os.path.abspath(os.environ.get("top_builddir") or os.path.join(_HERE, "..", ".."))
_libc = ctypes.CDLL(None)
_running = []
_owner = os.getpid()


def free_ports(count):
    """Ports that nobody listens on. Below those that the kernel gives to clients, who could take one meanwhile."""
    free = []
    while len(free) < count:
        port = random.randrange(10000, 32000)
        with socket.socket() as s:
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", port))
                if port not in free:
                    free.append(port)
    return free


def alive(pid):
    """Whether it runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def wait_for(true, seconds, what, every=0.02):
    """Until true() is; its value. Tells in time."""
    end = time.monotonic() + seconds
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)


class Stack:
    """Settings are given as hold_ttl_ms=1500. `limits` leaves nginx's rate limits on."""

    def __init__(self, demo_data=False, limits=False, database=None, fast=True, **settings):
        self.folder = tempfile.mkdtemp(prefix="boxoffice-test-")
        self.port, self.https_port = free_ports(2)
        env = {k: v for k, v in os.environ.items() if not k.startswith("BOXOFFICE_")}
        env.update(top_srcdir=TOP_SRCDIR, top_builddir=TOP_BUILDDIR, BOXOFFICE_HTTP_PORT=str(self.port),
                   BOXOFFICE_HTTPS_PORT=str(self.https_port))
        if not limits:
            env["BOXOFFICE_RATE_LIMIT"] = "off"
        if fast:
            env["STACK_FAST"] = "1"
        env.update({"BOXOFFICE_" + k.upper(): str(v) for k, v in settings.items()})
        self._program = os.path.join(TOP_SRCDIR, "tests", "stack")
        command = [self._program, "run", self.folder]
        if demo_data:
            command.append("--demo-data")
        if database:
            command += ["--database", database.folder]
        self.output, self.is_ready = [], False
        self._lines = queue.Queue()
        self.process = subprocess.Popen(command, env=env, cwd=TOP_BUILDDIR, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
                                        preexec_fn=lambda: _libc.prctl(1, signal.SIGTERM))  # end when the test is killed
        _running.append(self)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.output.append(line.rstrip("\n"))
            self._lines.put(line)
        self._lines.put(None)

    def ready(self, seconds=60):
        """Waits until it serves; itself."""
        end = time.monotonic() + seconds
        while not self.is_ready:
            try:
                line = self._lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                self._lines.put(None)  # for whoever asks next
                raise AssertionError("the stack did not get ready:\n" + "\n".join(self.output[-30:] + self._named_logs()))
            self.is_ready = line.startswith("boxoffice demo ready")
        return self

    def _named_logs(self):
        """The ends of the files that its last words point to."""
        lines = []
        for word in " ".join(self.output[-3:]).split():
            if word.startswith(self.folder) and word.endswith(".log") and os.path.isfile(word):
                with open(word, errors="replace") as f:
                    lines += [f"{os.path.basename(word)}: {line.rstrip()}" for line in f.readlines()[-20:]]
        return lines

    def pid(self, name):
        """Of supervisor, mariadbd, fcgi or nginx; None while there is none."""
        try:
            with open(os.path.join(self.folder, "run", name + ".pid")) as f:
                return int(f.read())
        except (OSError, ValueError):
            return None

    def kill(self, name, sig=signal.SIGKILL):
        pid = self.pid(name)
        assert pid, f"no pid file of {name}"
        os.kill(pid, sig)
        return pid

    def freeze(self, name):
        """SIGSTOP, and waits until it stands: that takes a while with many threads."""
        pid = self.kill(name, signal.SIGSTOP)

        def stands():
            with contextlib.suppress(OSError):  # a thread that ended
                for thread in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{thread}/stat") as f:
                        if f.read().rpartition(")")[2].split()[0] != "T":
                            return False
                return True
        wait_for(stands, 10, f"{name} stands still")

    @property
    def config(self):
        return os.path.join(self.folder, "boxoffice.conf")

    def ctl_raw(self, *args, timeout=30):
        """boxofficectl as it is; the finished process."""
        return subprocess.run([os.path.join(TOP_BUILDDIR, "boxofficectl"), "--config", self.config, *map(str, args)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)

    def ctl(self, *args):
        """boxofficectl --json, which must succeed; what it printed, read."""
        done = self.ctl_raw("--json", *args)
        assert done.returncode == 0, f"boxofficectl {args}: exit {done.returncode}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def setting(self, name):
        with open(self.config, encoding="utf-8") as f:
            return dict(line.rstrip("\n").split(" = ", 1) for line in f if " = " in line)[name]

    def sql(self, statement):
        """Runs it as another client of the database, with the service's rights."""
        with open(self.setting("database_password_file"), encoding="utf-8") as f:
            password = f.readline().strip()
        subprocess.run(["mariadb", "--no-defaults", "-nNB", "--socket=" + self.setting("database_socket"), "--user=" + self.setting("database_user"),
                        "--database=" + self.setting("database_name")], input=statement, text=True, check=True, timeout=30,
                       stdout=subprocess.DEVNULL, env={**os.environ, "MYSQL_PWD": password})

    @contextlib.contextmanager
    def locked(self, statement):
        """Keeps what a statement locks locked meanwhile, as another client of the database; then takes it back."""
        with open(self.setting("database_password_file"), encoding="utf-8") as f:
            password = f.readline().strip()
        command = ["mariadb", "--no-defaults", "-nNB", "--socket=" + self.setting("database_socket"), "--user=" + self.setting("database_user"),
                   "--database=" + self.setting("database_name")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "MYSQL_PWD": password}) as client:
            try:
                client.stdin.write(f"BEGIN; {statement}; SELECT 'locked';\n")
                client.stdin.flush()
                assert any(line == "locked\n" for line in client.stdout), "nothing could be locked"
                yield
            finally:
                client.stdin.close()  # it leaves, and its locks with it

    def stop(self):
        """Ends it, by force if need be, and removes its folder."""
        if self not in _running:
            return
        _running.remove(self)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(25)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if any(alive(p) for p in map(self.pid, ("supervisor", "mariadbd", "fcgi", "nginx")) if p):
            subprocess.run([self._program, "stop", self.folder], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=90)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.ready()

    def __exit__(self, *_):
        self.stop()


def stop_all():
    if os.getpid() == _owner:  # not in a forked child
        for stack in list(_running):
            stack.stop()


def _on_signal(number, _):
    sys.exit(128 + number)  # atexit does the rest


atexit.register(stop_all)
for _s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(_s, _on_signal)
