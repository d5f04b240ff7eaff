#!/bin/bash
# ./autogen.sh                          makes configure
# ./autogen.sh demo [--detach|--stop]   a box office on this machine, from nothing
# ./autogen.sh check                    every test; the last line is `N passed, N failed`
set -euo pipefail
cd "$(dirname "$0")"
export PATH=$PATH:/usr/sbin:/sbin

packages="gcc libc6-dev make autoconf automake pkg-config libfcgi-dev default-libmysqlclient-dev libjson-c-dev libcunit1-dev
  libssl-dev nginx-light mariadb-server openssl curl procps ca-certificates python3 python3-yaml python3-jsonschema"

say() { printf 'boxoffice: %s\n' "$*"; }
die() { printf 'boxoffice: %s\n' "$*" >&2; exit 1; }

# step TEXT LOG COMMAND…: one line while it runs, the log's end when it fails.
step() {
  local text=$1 log=$2 began=$SECONDS
  shift 2
  printf 'boxoffice: %s …' "$text"
  if "$@" > "$log" 2>&1; then
    printf ' %d s\n' $((SECONDS - began))
  else
    printf ' failed\n'
    tail -n 20 "$log" >&2
    die "$text failed; all of it is in $log"
  fi
}

lacking() {
  local p
  for p in $packages; do
    # another nginx will do
    [ "$p" = nginx-light ] && command -v nginx > /dev/null && continue
    dpkg-query -W -f='${Status}' "$p" 2> /dev/null | grep -q 'ok installed' || printf '%s ' "$p"
  done
}

install_packages() {
  local need sudo= policy=/usr/sbin/policy-rc.d log=$logs/packages.log made=
  need=$(lacking)
  [ -n "$need" ] || return 0
  command -v apt-get > /dev/null || die "this is not Debian: install what matches $need"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo > /dev/null || die "packages are lacking and there is no sudo; as root: apt-get install $need"
    sudo -n true 2> /dev/null || say "sudo is needed to install: $need"
    sudo true || die "packages are lacking and sudo refused; as root: apt-get install $need"
    sudo=sudo
  fi
  step "looking for packages" "$log" $sudo apt-get -qq update
  # nginx and MariaDB are for private use here: their system services are not to start with the install.
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy > /dev/null
    $sudo chmod 755 $policy
    made=1
  fi
  # (policy is removed whatever becomes of the install)
  local status=0
  (step "installing $(wc -w <<< "$need") packages" "$log" $sudo env DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends install $need) || status=$?
  [ -z "$made" ] || $sudo rm -f $policy
  [ $status = 0 ] || die "is there a network? then try: apt-get install $need"
}

configured() { [ -x configure ] && [ ! configure.ac -nt configure ] && [ ! Makefile.am -nt Makefile.in ]; }

build() {
  configured || step "making configure" "$logs/autoreconf.log" autoreconf -fi
  [ Makefile -nt configure ] || step "configuring" "$logs/configure.log" ./configure
  step "building" "$logs/build.log" make -j"$(nproc)"
}

set_up() {
  logs=$PWD/var/log
  mkdir -p "$logs"
  install_packages
  build
}

demo() {
  local dir=${BOXOFFICE_DEMO_DIR:-var/demo} log pid i
  case ${1:-} in
    --stop) exec tests/stack stop "$dir" ;;
    --detach | '') ;;
    *) die "usage: ./autogen.sh demo [--detach|--stop]" ;;
  esac
  set_up
  [ "${1:-}" = --detach ] || exec tests/stack run "$dir" --demo-data
  mkdir -p "$dir/log"
  log=$dir/log/stack.log
  setsid tests/stack run "$dir" --demo-data > "$log" 2>&1 < /dev/null &
  pid=$!
  for ((i = 0; i < 1200; i++)); do
    if grep -q '^boxoffice demo ready' "$log" 2> /dev/null; then
      grep '^boxoffice demo ready' "$log"
      return 0
    fi
    kill -0 $pid 2> /dev/null || { tail -n 1 "$log" >&2; exit 1; }
    sleep 0.1
  done
  die "it does not get ready; see $log"
}

check() {
  set_up
  local log=$logs/check.log passed failed status=0
  say "testing; each test's own log is beside it under tests/"
  make check > "$log" 2>&1 || status=$?
  grep -E '^(PASS|FAIL|ERROR|SKIP|XPASS):|^#' "$log" || true
  local broken
  for broken in $(grep -lE '^:test-global-result: (FAIL|ERROR)' $(find tests -name '*.trs') 2> /dev/null); do
    printf '\n--- %s\n' "${broken%.trs}.log"
    tail -n 60 "${broken%.trs}.log"
  done
  passed=$(awk '/^# PASS:/ {n += $3} END {print n + 0}' "$log")
  failed=$(awk '/^# (FAIL|ERROR|XPASS):/ {n += $3} END {print n + 0}' "$log")
  [ $status = 0 ] || [ "$failed" -gt 0 ] || { tail -n 40 "$log"; failed=1; }
  [ "$passed" -gt 0 ] || status=1
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ $status = 0 ] && [ "$failed" = 0 ]
}

case ${1:-} in
  '') exec autoreconf -fi ;;
  demo) shift; demo "$@" ;;
  check) check ;;
  *) die "usage: ./autogen.sh [demo [--detach|--stop] | check]" ;;
esac
