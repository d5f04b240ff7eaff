#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""The Debian package in a Debian 12 of its own, booted with systemd: installed, upgraded, removed, purged. Speaks TAP; skipped
where the machine can't. Run by `make deb-test`.

That system holds nothing but what the package says it depends on and recommends. It is made once, in var/deb; each run works
in an overlay on it, without a network, and leaves nothing behind.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import tap
from machine import MAKES_S, SLOW_S, Machine, lacking, made, run
from stack import TOP_BUILDDIR, TOP_SRCDIR, wait_for
from tap import note, test

CACHE = os.path.join(TOP_BUILDDIR, "var", "deb")
machine = None
packages = {}  # version: file name


def field(deb, name):
    return run(["dpkg-deb", "-f", deb, name]).strip()


def packages_of(deb):
    """What it asks for, as a command."""
    wanted = f"{field(deb, 'Depends')}, {field(deb, 'Recommends')}"
    return "apt-get install -y --no-install-recommends curl " + " ".join(re.match(r"[\w.+-]+", w.strip()).group(0) for w in wanted.split(","))


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
        with open(os.path.join(source, "sql", "tables", "900_test.sql"), "w", encoding="utf-8") as f:
            f.write("CREATE TABLE IF NOT EXISTS venue (venue_id BIGINT UNSIGNED NOT NULL COMMENT 'a test', PRIMARY KEY (venue_id)) ENGINE=InnoDB;\n")
        edit("Makefile.am", "dist_sqltables_DATA = ", "dist_sqltables_DATA = sql/tables/900_test.sql ")
        env["DEB_CPPFLAGS_APPEND"] = "-DSCHEMA_VERSION=900"
    run(["dpkg-buildpackage", "-b", "-us", "-uc"], MAKES_S, cwd=source, env=env)
    shutil.rmtree(source)
    return glob.glob(os.path.join(folder, f"boxoffice_{version}_*.deb"))[0]


class Box(Machine):
    """The system, and the service on it."""

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
        assert machine.show(unit, "ActiveState") == "inactive" and machine.show(unit, "UnitFileState") == "disabled", machine.ask(f"systemctl status {unit}")
    assert machine.sh("stat -c '%a %U %G' /etc/boxoffice/token.keys").split() == ["640", "root", "boxoffice"]
    assert re.fullmatch(r"k1 [0-9a-f]{64}\n", machine.sh("cat /etc/boxoffice/token.keys"))
    machine.sh("id boxoffice; id boxoffice_migrate; nginx -t -q")
    note("what it brought:")
    for name in sorted(machine.files() - packages["before"]):
        note(name)


@test
def it_does_not_start_with_a_database_that_is_not_migrated():
    machine.ask("timeout 20 systemctl start boxoffice.service")
    assert machine.show("boxoffice.service", "ActiveState") != "active"
    machine.sh(documented(1).splitlines()[0])  # the database and its users, without tables
    machine.ask("timeout 10 systemctl restart boxoffice.service")
    assert machine.show("boxoffice.service", "ActiveState") != "active"
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
    pid = machine.show("boxoffice.service", "MainPID")
    with Asking():
        install("second")
        wait_for(lambda: machine.show("boxoffice.service", "MainPID") not in ("0", pid) and machine.show("boxoffice.service", "ActiveState") == "active", SLOW_S, "another process", every=0.1)
        wait_for(lambda: machine.status("/readyz") == "200", SLOW_S, "ready", every=0.2)
    assert machine.sh("cat /etc/boxoffice/boxoffice.conf /etc/boxoffice/token.keys") == kept
    assert machine.show("boxoffice.service", "UnitFileState") == "enabled" and rows() == "1"


@test
def an_upgrade_with_a_migration_waits_for_it():
    pid = machine.show("boxoffice.service", "MainPID")
    with Asking():
        said = install("third")
        assert "runs on" in said and "boxofficectl migrate" in said, said
        note(re.search(r"boxoffice: the program.*", said).group(0))
        assert machine.show("boxoffice.service", "MainPID") == pid and machine.status("/readyz") == "200"
        machine.sh("\n".join(documented(1).splitlines()[1:]))
        machine.sh("systemctl restart boxoffice")
        wait_for(lambda: machine.status("/readyz") == "200", SLOW_S, "ready", every=0.2)
    assert machine.show("boxoffice.service", "MainPID") != pid
    machine.sh("runuser -u boxoffice -- boxofficectl audit")


@test
def removing_it_leaves_settings_and_data():
    machine.sh("dpkg -r boxoffice")
    for unit in ("boxoffice.service", "boxoffice.socket"):
        assert machine.show(unit, "ActiveState") == "inactive", unit
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
    why = lacking("dpkg-buildpackage", "dh")
    if why:
        print(f"1..0 # SKIP {why}")
        sys.exit(0)
    debs = tempfile.mkdtemp(prefix="boxoffice-debs-")
    try:
        first = glob.glob(os.path.join(TOP_BUILDDIR, "deb", "boxoffice_*.deb"))[0]
        machine = Box(CACHE, made(CACHE, packages_of(first)))
        version = field(first, "Version")
        for name, deb in (("first", first), ("second", next_release(version + "+1", debs, False)), ("third", next_release(version + "+2", debs, True))):
            packages[name] = os.path.basename(deb)
            shutil.copy(deb, os.path.join(machine.root, "root"))
        machine.boot()
        failed = tap.run()
    except tap.Skip as why:
        print(f"1..0 # SKIP {why}")
        failed = 0
    finally:
        if machine:
            machine.end()
        shutil.rmtree(debs, ignore_errors=True)
    sys.exit(1 if failed else 0)
