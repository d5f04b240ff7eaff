# SPDX-License-Identifier: 0BSD
"""A Debian 12 of one's own, booted with systemd in a container, for tests of what is installed. Needs root.

The system is made once, in a cache folder, with the packages asked for; each run works in an overlay on it, in a
network of its own, and leaves nothing behind.
"""
import atexit
import contextlib
import glob
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import tap
from stack import wait_for

RELEASE = "bookworm"
MAKES_S = 900  # making the system, on a slow line
SLOW_S = 120   # for anything else that is waited for: the machine may be loaded
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb",
               "DEBIAN_FRONTEND": "noninteractive", "MAKEFLAGS": f"-j{os.cpu_count()}"}
CGROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")  # version 2, 1, both


def run(command, timeout=SLOW_S, **more):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          timeout=timeout, **more)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)[:300]}: exit {done.returncode}: ...{done.stdout[-2500:]}")
    return done.stdout


def lacking(*programs):
    """Why this machine can't, or None."""
    if os.geteuid() != 0:
        return "only root can boot a system"
    for program in ("debootstrap", "systemd-nspawn", "nsenter", "mount", *programs):
        if not shutil.which(program):
            return f"{program} is lacking"
    with open("/proc/self/status", encoding="utf-8") as f:
        capabilities = int(re.search(r"^CapEff:\s*(\w+)", f.read(), re.MULTILINE).group(1), 16)
    if not capabilities >> 21 & 1:
        return "root may not mount here (no CAP_SYS_ADMIN)"
    return None


def made(cache, install):
    """The folder of the system in which `install` has been run, from the cache when it was made by the same commands."""
    root = os.path.join(cache, "debian-" + hashlib.sha256((RELEASE + install).encode()).hexdigest()[:12])
    if os.path.isdir(root):
        return root
    for old in glob.glob(os.path.join(cache, "debian-*")):
        shutil.rmtree(old)
    os.makedirs(cache, exist_ok=True)
    new = tempfile.mkdtemp(prefix="debian-", dir=cache)
    os.chmod(new, 0o755)
    began = time.monotonic()
    try:
        try:
            run(["debootstrap", "--variant=minbase", "--include=systemd-sysv,dbus,ca-certificates", RELEASE, new], MAKES_S)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            tap.note(error)
            tap.skip("debootstrap makes no Debian here; is a mirror of Debian reachable?")
        # What dpkg waits for the disk for is not worth it here. And nothing is started in a system that is not booted.
        for path, mode, text in (("etc/dpkg/dpkg.cfg.d/quick", 0o644, "force-unsafe-io\n"), ("usr/sbin/policy-rc.d", 0o755, "#!/bin/sh\nexit 101\n")):
            with open(os.path.join(new, path), "w", encoding="utf-8") as f:
                f.write(text)
            os.chmod(os.path.join(new, path), mode)
        shutil.copy("/etc/resolv.conf", os.path.join(new, "etc", "resolv.conf"))
        run(["chroot", new, "sh", "-ec", "apt-get update; " + install + "; apt-get clean; rm /usr/sbin/policy-rc.d"], MAKES_S,
            env={**os.environ, **ENVIRONMENT})
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    os.rename(new, root)
    tap.note(f"made a Debian system in {time.monotonic() - began:.0f} s: {root}")
    return root


class Machine:
    """The system, running once it has been booted."""

    def __init__(self, cache, base):
        # On a disk that an overlay can lie on; the cache is on one more likely than /tmp.
        self.folder = tempfile.mkdtemp(prefix="run-", dir=cache)
        self.root = os.path.join(self.folder, "root")
        upper, work = os.path.join(self.folder, "upper"), os.path.join(self.folder, "work")
        for path in (self.root, upper, work):
            os.mkdir(path, 0o755)
        self.console = os.path.join(self.folder, "console")
        self.process, self.leader, self.groups = None, None, []
        atexit.register(self.end)
        options = f"lowerdir={base},upperdir={upper},workdir={work}"
        self.mounted = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.root], stderr=subprocess.DEVNULL, check=False).returncode == 0
        if not self.mounted:
            run(["cp", "-a", base + "/.", self.root])
        # A group of its own: two systems in one group would end each other's services.
        self.groups = [os.path.join(top, f"boxoffice-test-{os.getpid()}") for top in CGROUPS if os.path.exists(os.path.join(top, "cgroup.procs"))]
        for group in self.groups:
            os.mkdir(group)

    def _join_groups(self):
        for group in self.groups:
            with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as f:
                f.write("0")

    def boot(self):
        with open(self.console, "ab") as console:
            self.process = subprocess.Popen(["systemd-nspawn", "-q", "-b", "-D", self.root, "-M", f"boxoffice-{os.getpid()}", "--hostname=boxoffice",
                                             "--register=no", "--keep-unit", "--private-network", "--resolv-conf=off", "--timezone=off", "--console=pipe"],
                                            stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True, preexec_fn=self._join_groups)
        self.leader = wait_for(self.find_leader, SLOW_S, "systemd runs as process 1", every=0.1)
        wait_for(lambda: self.ask("systemctl is-system-running").strip() in ("running", "degraded"), SLOW_S, "booted", every=0.2)

    def find_leader(self):
        assert self.process.poll() is None, f"the system ended: {self.said()}"
        with contextlib.suppress(OSError):
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="utf-8") as f:
                for pid in map(int, f.read().split()):
                    with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                        if comm.read().strip() == "systemd":
                            return pid
        return None

    def said(self):
        with open(self.console, errors="replace", encoding="utf-8") as f:
            return f.read()[-2000:]

    def _inside(self, script):
        return ["nsenter", "-t", str(self.leader), "-a", "env", "-i", *(f"{k}={v}" for k, v in ENVIRONMENT.items()), "bash", "-euo", "pipefail", "-c", script]

    def sh(self, script, timeout=SLOW_S):
        """Runs it there; what it printed."""
        return run(self._inside(script), timeout)

    def ask(self, script):
        """The same, whatever comes of it."""
        return subprocess.run(self._inside(script), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=SLOW_S, check=False).stdout

    def show(self, unit, name):
        return self.ask(f"systemctl show -P {name} {unit}").strip()

    def kill(self, pid, name):
        self.sh(f"kill -{name} {pid}")

    def reboot(self):
        self.ask("systemctl poweroff")
        self.process.wait(SLOW_S)
        self.boot()

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()  # nspawn shuts it down
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                if self.leader:
                    with contextlib.suppress(OSError):
                        os.kill(self.leader, signal.SIGKILL)
                self.process.kill()
                self.process.wait()
        for group in self.groups:
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        if self.mounted:
            subprocess.run(["umount", self.root], check=False)
            self.mounted = os.path.ismount(self.root)
        if not self.mounted:
            shutil.rmtree(self.folder, ignore_errors=True)
