#!/usr/bin/python3
"""The Debian package in a Debian 12 of its own, booted with systemd: installed, upgraded, removed, purged. Speaks TAP; skipped
where the machine can't. Run by `make deb-test`.

That system holds nothing but what the package says it depends on and recommends. It is made once, in var/deb; each run works
in an overlay on it, without a network, and leaves nothing behind.
"""
import glob
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import tap
from stack import TOP_BUILDDIR, TOP_SRCDIR, wait_for
from tap import note, test

RELEASE = "bookworm"
CACHE = os.path.join(TOP_BUILDDIR, "var", "deb")
MAKES_S, SLOW_S = 900, 120
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb",
               "DEBIAN_FRONTEND": "noninteractive"}
machine = None
packages = {}  # version: file name


def run(command, timeout=SLOW_S, **more):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout, **more)
    assert done.returncode == 0, f"{' '.join(command)[:300]}: exit {done.returncode}: ...{done.stdout[-2500:]}"
    return done.stdout


def lacking():
    """Why this machine can't, or None."""
    if os.geteuid() != 0:
        return "only root can boot a system"
    for program in ("debootstrap", "systemd-nspawn", "nsenter", "mount", "dpkg-buildpackage", "dh"):
        if not shutil.which(program):
            return f"{program} is lacking (apt-get install debootstrap systemd-container dpkg-dev debhelper)"
    with open("/proc/self/status", encoding="utf-8") as f:
        capabilities = int(re.search(r"^CapEff:\s*(\w+)", f.read(), re.MULTILINE).group(1), 16)
    return None if capabilities >> 21 & 1 else "root may not mount here (no CAP_SYS_ADMIN)"


def field(deb, name):
    return run(["dpkg-deb", "-f", deb, name]).strip()


def made(deb):
    """The folder of the system, from the cache when the package asks for the same as then."""
    wanted = f"{field(deb, 'Depends')}, {field(deb, 'Recommends')}"
    names = [re.match(r"[\w.+-]+", w.strip()).group(0) for w in wanted.split(",")]
    root = os.path.join(CACHE, "debian-" + hashlib.sha256((RELEASE + wanted).encode()).hexdigest()[:12])
    if os.path.isdir(root):
        return root
    for old in glob.glob(os.path.join(CACHE, "debian-*")):
        shutil.rmtree(old)
    os.makedirs(CACHE, exist_ok=True)
    new = tempfile.mkdtemp(prefix="debian-", dir=CACHE)
    os.chmod(new, 0o755)
    began = time.monotonic()
    try:
        run(["debootstrap", "--variant=minbase", "--include=systemd-sysv,dbus,ca-certificates", RELEASE, new], MAKES_S)
        # What dpkg waits for the disk for is not worth it here. And nothing is started in a system that is not booted.
        for path, mode, text in (("etc/dpkg/dpkg.cfg.d/quick", 0o644, "force-unsafe-io\n"), ("usr/sbin/policy-rc.d", 0o755, "#!/bin/sh\nexit 101\n")):
            with open(os.path.join(new, path), "w", encoding="utf-8") as f:
                f.write(text)
            os.chmod(os.path.join(new, path), mode)
        shutil.copy("/etc/resolv.conf", os.path.join(new, "etc", "resolv.conf"))
        run(["chroot", new, "sh", "-ec", "apt-get update; apt-get install -y --no-install-recommends curl " + " ".join(names) + "; apt-get clean; rm /usr/sbin/policy-rc.d"],
            MAKES_S, env={**os.environ, **ENVIRONMENT})
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    os.rename(new, root)
    note(f"made a Debian system with {len(names)} packages named by the package in {time.monotonic() - began:.0f} s")
    return root


def next_release(version, folder, migration):
    """A package of a later release, built from the same source; with a migration it needs that."""
    archive = glob.glob(os.path.join(TOP_BUILDDIR, "boxoffice-*.tar.gz"))[0]
    run(["tar", "-xzf", archive, "--no-same-owner", "-C", folder])
    source = os.path.join(folder, os.path.basename(archive)[:-len(".tar.gz")])

    def edit(name, a, b):
        with open(os.path.join(source, name), "r+", encoding="utf-8") as f:
            text = f.read()
            assert a in text, f"{name} has no {a}"
            f.seek(0)
            f.write(text.replace(a, b, 1))
            f.truncate()

    edit("debian/changelog", re.match(r"boxoffice \(.*?\)", open(os.path.join(source, "debian/changelog"), encoding="utf-8").read()).group(0), f"boxoffice ({version})")
    env = {**os.environ, "DEB_BUILD_OPTIONS": "parallel=2 noautodbgsym"}
    if migration:
        with open(os.path.join(source, "sql", "900_test.sql"), "w", encoding="utf-8") as f:
            f.write("CREATE TABLE IF NOT EXISTS venue (venue_id BIGINT UNSIGNED NOT NULL COMMENT 'a test', PRIMARY KEY (venue_id)) ENGINE=InnoDB;\n")
        edit("Makefile.am", "sql/users.sql ", "sql/users.sql sql/900_test.sql ")
        env["DEB_CPPFLAGS_APPEND"] = "-DSCHEMA_VERSION=900"
    run(["dpkg-buildpackage", "-b", "-us", "-uc"], MAKES_S, cwd=source, env=env)
    shutil.rmtree(source)
    return glob.glob(os.path.join(folder, f"boxoffice_{version}_*.deb"))[0]


class Machine:
    """The system, running."""

    def __init__(self, base):
        self.folder = tempfile.mkdtemp(prefix="run-", dir=CACHE)  # where an overlay can lie
        self.root = os.path.join(self.folder, "root")
        for name in ("root", "upper", "work"):
            os.mkdir(os.path.join(self.folder, name), 0o755)
        self.process, self.mounted = None, False
        options = f"lowerdir={base},upperdir={self.folder}/upper,workdir={self.folder}/work"
        self.mounted = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.root], stderr=subprocess.DEVNULL, check=False).returncode == 0
        if not self.mounted:
            run(["cp", "-a", base + "/.", self.root])

    def boot(self):
        with open(os.path.join(self.folder, "console"), "wb") as console:
            self.process = subprocess.Popen(["systemd-nspawn", "-q", "-b", "-D", self.root, "-M", f"boxoffice-deb-{os.getpid()}", "--register=no", "--keep-unit",
                                             "--private-network", "--resolv-conf=off", "--timezone=off", "--console=pipe"],
                                            stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
        self.leader = wait_for(self.find_leader, SLOW_S, "systemd runs as process 1", every=0.1)
        wait_for(lambda: self.ask("systemctl is-system-running").strip() in ("running", "degraded"), SLOW_S, "booted", every=0.2)

    def find_leader(self):
        assert self.process.poll() is None, "the system ended"
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
            for pid in f.read().split():
                with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                    if comm.read().strip() == "systemd":
                        return pid
        return None

    def _inside(self, script):
        return ["nsenter", "-t", self.leader, "-a", "env", "-i", *(f"{k}={v}" for k, v in ENVIRONMENT.items()), "bash", "-euo", "pipefail", "-c", script]

    def sh(self, script):
        """Runs it there; what it printed."""
        return run(self._inside(script))

    def ask(self, script):
        """The same, whatever comes of it."""
        return subprocess.run(self._inside(script), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=SLOW_S, check=False).stdout

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()  # nspawn shuts it down
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                os.kill(int(self.leader), signal.SIGKILL)
                self.process.kill()
                self.process.wait()
        if self.mounted:
            subprocess.run(["umount", self.root], check=False)
        if not os.path.ismount(self.root):
            shutil.rmtree(self.folder, ignore_errors=True)

    ## Of the service.

    def show(self, name, unit="boxoffice.service"):
        return self.ask(f"systemctl show -P {name} {unit}").strip()

    def status(self, path):
        return self.ask(f"curl -sk -m 20 -o /dev/null -w '%{{http_code}}' https://localhost{path}")

    def files(self):
        """All there is, but for what other packages keep for themselves."""
        found = self.sh("find /etc /usr /lib/systemd /var /run/boxoffice ! -path '/var/lib/mysql*' ! -path '/var/log/*' ! -path '/var/lib/dpkg/*' ! -path '/var/cache/*'"
                        " ! -path '/var/tmp/*' ! -path '/var/lib/systemd/*' 2>/dev/null || :")
        return set(found.split("\n"))


def documented(number):
    """The commands of a step of README.Debian."""
    with open(os.path.join(TOP_SRCDIR, "debian", "boxoffice.README.Debian"), encoding="utf-8") as f:
        text = f.read()
    step = re.search(rf"^ {number}\. .*?(?=^ {number + 1}\. |^\S)", text, re.MULTILINE | re.DOTALL).group(0)
    commands = re.findall(r"^      (.*)$", step, re.MULTILINE)
    assert commands, step
    return "\n".join(commands)


def rows():
    return machine.sh("mariadb -NBe 'SELECT COUNT(*) FROM boxoffice.concert'").strip()


def install(version):
    return machine.sh(f"dpkg -i /root/{packages[version]} 2>&1")


@test
def it_installs_and_starts_nothing():
    packages["before"] = machine.files()
    said = install("first")
    assert "not started: it needs its database first" in said, said
    for unit in ("boxoffice.service", "boxoffice.socket"):
        assert machine.show("ActiveState", unit) == "inactive" and machine.show("UnitFileState", unit) == "disabled", machine.ask(f"systemctl status {unit}")
    assert machine.sh("stat -c '%a %U %G' /etc/boxoffice/token.keys").split() == ["640", "root", "boxoffice"]
    assert re.fullmatch(r"k1 [0-9a-f]{64}\n", machine.sh("cat /etc/boxoffice/token.keys"))
    machine.sh("id boxoffice; id boxoffice_migrate; nginx -t -q")
    note("what it brought:")
    for name in sorted(machine.files() - packages["before"]):
        note(name)


@test
def it_does_not_start_with_a_database_that_is_not_migrated():
    machine.ask("timeout 20 systemctl start boxoffice.service")
    assert machine.show("ActiveState") != "active"
    machine.sh(documented(1).splitlines()[0])  # the database and its users, without tables
    machine.ask("timeout 10 systemctl restart boxoffice.service")
    assert machine.show("ActiveState") != "active"
    wait_for(lambda: "boxofficectl migrate" in machine.ask("journalctl -u boxoffice.service --no-pager"), SLOW_S, "it says what to do", every=0.5)
    machine.sh("systemctl stop boxoffice.service boxoffice.socket; systemctl reset-failed")


@test
def what_its_readme_says_makes_it_serve():
    machine.sh(documented(1))
    machine.sh(documented(2))
    machine.sh("umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
               " -keyout /etc/boxoffice/tls.key -out /etc/boxoffice/tls.crt 2>&1")
    machine.sh(documented(3))
    wait_for(lambda: machine.status("/readyz") == "200", SLOW_S, "ready over HTTPS", every=0.2)
    machine.sh("runuser -u boxoffice -- boxofficectl concert add --title Deb")
    assert machine.status("/api/v1/concerts/1") == "200" and rows() == "1"
    assert "Strict-Transport-Security: max-age" in machine.sh("curl -skI --http1.1 https://localhost/")
    machine.sh("install -d -o boxoffice_migrate -m 700 /var/backups/boxoffice; runuser -u boxoffice_migrate -- boxoffice-backup dump /var/backups/boxoffice/a.gz")


class Asking:
    """Requests meanwhile, one after the other on that machine; none may fail."""

    def __enter__(self):
        machine.sh("rm -f /root/stop; : > /root/asked")
        self.process = subprocess.Popen(machine._inside("until [ -e /root/stop ]; do curl -sk -m 30 -o /dev/null -w '%{http_code}\\n' https://localhost/api/v1/concerts >> /root/asked || :; sleep 0.02; done"),
                                        stdin=subprocess.DEVNULL)
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        time.sleep(0.5)
        machine.sh("touch /root/stop")
        self.process.wait(60)
        answers = machine.sh("cat /root/asked").split()
        note(f"{len(answers)} requests meanwhile, {sum(a != '200' for a in answers)} failed")
        assert len(answers) > 20 and set(answers) == {"200"}, sorted(set(answers))


@test
def an_upgrade_restarts_it_and_keeps_settings_and_keys():
    machine.sh("echo '# mine' >> /etc/boxoffice/boxoffice.conf")
    kept = machine.sh("cat /etc/boxoffice/boxoffice.conf /etc/boxoffice/token.keys")
    pid = machine.show("MainPID")
    with Asking():
        install("second")
        wait_for(lambda: machine.show("MainPID") not in ("0", pid) and machine.show("ActiveState") == "active", SLOW_S, "another process", every=0.1)
        wait_for(lambda: machine.status("/readyz") == "200", SLOW_S, "ready", every=0.2)
    assert machine.sh("cat /etc/boxoffice/boxoffice.conf /etc/boxoffice/token.keys") == kept
    assert machine.show("UnitFileState") == "enabled" and rows() == "1"


@test
def an_upgrade_with_a_migration_waits_for_it():
    pid = machine.show("MainPID")
    with Asking():
        said = install("third")
        assert "runs on" in said and "boxofficectl migrate" in said, said
        note(re.search(r"boxoffice: the program.*", said).group(0))
        assert machine.show("MainPID") == pid and machine.status("/readyz") == "200"
        machine.sh("\n".join(documented(1).splitlines()[1:]))
        machine.sh("systemctl restart boxoffice")
        wait_for(lambda: machine.status("/readyz") == "200", SLOW_S, "ready", every=0.2)
    assert machine.show("MainPID") != pid
    machine.sh("runuser -u boxoffice -- boxofficectl audit")


@test
def removing_it_leaves_settings_and_data():
    machine.sh("dpkg -r boxoffice")
    for unit in ("boxoffice.service", "boxoffice.socket"):
        assert machine.show("ActiveState", unit) == "inactive", unit
    assert not machine.ask("pgrep -l boxoffice"), machine.ask("pgrep -l boxoffice")
    machine.sh("test -s /etc/boxoffice/boxoffice.conf; test -s /etc/boxoffice/token.keys; test -s /etc/boxoffice/tls.key; test ! -e /usr/sbin/boxoffice-fcgi")
    assert rows() == "1"
    # The site is still nginx's, and says that nobody is there.
    machine.sh("nginx -t -q")
    assert machine.status("/api/v1/concerts") == "503"


@test
def purging_it_leaves_the_database_alone():
    machine.sh("dpkg -P boxoffice")
    machine.sh("test ! -e /etc/boxoffice; nginx -t -q; systemctl restart nginx")
    assert rows() == "1"
    assert "boxoffice" not in machine.sh("dpkg -l 'boxoffice*' 2>/dev/null | grep ^[a-z] || :")
    left = sorted(name for name in machine.files() - packages["before"] if name)
    note("what is left: the database; " + "; ".join(left))
    mine = [name for name in left if "boxoffice" in name and not name.startswith("/var/backups/boxoffice")]
    assert not mine, mine
    note("accounts left: " + machine.sh("getent passwd | grep ^boxoffice | cut -d: -f1 | paste -sd' '").strip())


if __name__ == "__main__":
    why = lacking()
    if why:
        print(f"1..0 # SKIP {why}")
        sys.exit(0)
    debs = tempfile.mkdtemp(prefix="boxoffice-debs-")
    try:
        first = glob.glob(os.path.join(TOP_BUILDDIR, "deb", "boxoffice_*.deb"))[0]
        machine = Machine(made(first))
        version = field(first, "Version")
        for name, deb in (("first", first), ("second", next_release(version + "+1", debs, False)), ("third", next_release(version + "+2", debs, True))):
            packages[name] = os.path.basename(deb)
            shutil.copy(deb, os.path.join(machine.root, "root"))
        machine.boot()
        failed = tap.run()
    finally:
        if machine:
            machine.end()
        shutil.rmtree(debs, ignore_errors=True)
    sys.exit(1 if failed else 0)
