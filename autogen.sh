#!/bin/bash
# SPDX-License-Identifier: 0BSD
# ./autogen.sh                          makes configure
# ./autogen.sh demo [--detach|--stop]   a box office on this machine, from nothing
# ./autogen.sh check                    every test; the last line is `N passed, N failed`
#
# The last two are for Debian 12: they install the packages that are lacking (as root, or with sudo) and build.
set -euo pipefail
started_in=$PWD
cd "$(dirname "$0")"
export PATH=$PATH:/usr/sbin:/sbin

packages="gcc libc6-dev make autoconf automake pkg-config libfcgi-dev default-libmysqlclient-dev libjson-c-dev libcunit1-dev
  libssl-dev libqrencode-dev zlib1g-dev libsystemd-dev nginx-light mariadb-server-core mariadb-client-core mariadb-client openssl curl procps mandoc python3 python3-yaml python3-jsonschema wrk zbar-tools librsvg2-bin"

# For `check` alone: what looks at the units and boots a Debian to try the installation on, a browser, with Korean
# letters, for the pages, a compiler with fuzzers and sanitizers, and spin for the models. (make valgrind and make tidy
# say what they need.)
check_packages="spin systemd systemd-container debootstrap chromium fonts-nanum nodejs npm clang libclang-rt-14-dev"

say() { printf 'boxoffice: %s\n' "$*"; }
die() { printf 'boxoffice: %s\n' "$*" >&2; exit 1; }

# step TEXT LOG COMMAND...: one line while it runs; its output goes to the log.
step() {
  local text=$1 log=$2 began=$SECONDS
  shift 2
  printf 'boxoffice: %s ...' "$text"
  if "$@" > "$log" 2>&1; then
    printf ' %d s\n' $((SECONDS - began))
  else
    printf ' failed\n'
    return 1
  fi
}

# The same where there is no way on.
build_step() {
  step "$@" || { tail -n 20 "$2" >&2; die "$1 failed; all of it is in $2"; }
}

lacking() {
  local p
  for p in $packages; do
    # another nginx will do
    [ "$p" = nginx-light ] && command -v nginx > /dev/null && continue
    # another node may bring its own npm, and would be replaced
    case $p in nodejs | npm) command -v npm > /dev/null && command -v node > /dev/null && continue ;; esac
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2> /dev/null)" = installed ] || printf '%s ' "$p"
  done
}

# Run as root. Only programs are wanted here: of MariaDB the packages without a service, and what others bring is
# not to start.
# shellcheck disable=SC2016 # for the shell that runs it
install_script='
  set -e
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap "rm -f $policy" EXIT
    trap "exit 1" HUP INT TERM
    printf "#!/bin/sh\nexit 101\n" > $policy
    chmod 755 $policy
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq -o DPkg::Lock::Timeout=120 update
  apt-get -qq -y -o DPkg::Lock::Timeout=120 --no-install-recommends install "$@"
'

install_packages() {
  local need as_root=() log=$logs/packages.log
  command -v dpkg-query > /dev/null || { say "this is no Debian: going on with what is here"; return 0; }
  need=$(lacking)
  [ -n "$need" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    command -v sudo > /dev/null || die "packages are lacking and there is no sudo; as root: apt-get install $need"
    sudo -n true 2> /dev/null || say "sudo is needed to install: $need"
    sudo -v || die "packages are lacking and sudo refuses; as root: apt-get install $need"
    as_root=(sudo)
  fi
  # shellcheck disable=SC2086 # a list of words
  step "installing $(wc -w <<< "$need") packages" "$log" "${as_root[@]}" sh -c "$install_script" sh $need && [ -z "$(lacking)" ] ||
    die "the packages could not be installed (is there a network? see $log); as root: apt-get install $need"
}

configured() { [ -x configure ] && [ ! configure.ac -nt configure ] && [ ! Makefile.am -nt Makefile.in ]; }

# configured_so FLAG...: whether the last ./configure had them all, and saw the clang that is here.
configured_so() {
  local flag had
  [ Makefile -nt configure ] && had=$(./config.status --config) || return 1
  ! command -v clang > /dev/null || grep -q 'S\["FUZZERS_TRUE"\]=""' config.status || return 1
  for flag; do [[ " ${had//\'/} " == *" $flag "* ]] || return 1; done
}

# CONFIGURE_FLAGS: for a build machine, e.g. --enable-werror.
build() {
  local flags
  read -ra flags <<< "${CONFIGURE_FLAGS:-}"
  configured || build_step "making configure" "$logs/autoreconf.log" autoreconf -fi
  configured_so "${flags[@]}" || build_step "configuring" "$logs/configure.log" ./configure "${flags[@]}"
  build_step "building" "$logs/build.log" make -j"$(nproc)"
}

set_up() {
  logs=$PWD/var/log
  mkdir -p "$logs" 2> /dev/null || die "can't write in $PWD; is it another user's?"
  install_packages
  build
}

# For the test of /metrics. Of its package only the program is wanted, and the package would start a service.
fetch_promtool() {
  local tools=$PWD/var/tools
  command -v promtool > /dev/null || [ -x "$tools/promtool" ] || ! command -v apt-get > /dev/null && return
  mkdir -p "$tools"
  # shellcheck disable=SC2016 # for the shell that runs it
  step "fetching promtool" "$logs/promtool.log" sh -ec 'cd "$1" && rm -f prometheus_* && apt-get download prometheus
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -xO ./usr/bin/promtool > promtool.new && rm prometheus_*.deb
    chmod 755 promtool.new && mv promtool.new promtool' sh "$tools" || say "no promtool: its test is left out"
}

demo() {
  local dir=${BOXOFFICE_DEMO_DIR:-$PWD/var/demo} pid log
  [[ $dir == /* ]] || dir=$started_in/$dir
  log=$dir/log/supervisor.log
  case ${1:-} in
    --stop) exec tests/stack stop "$dir" ;;
    --detach | '') ;;
    *) usage ;;
  esac
  # One that runs keeps this locked.
  if [ -e "$dir/run/lock" ] && ! flock -n "$dir/run/lock" true; then
    [ "${1:-}" = --detach ] && [ -s "$dir/run/ready" ] && exec cat "$dir/run/ready"
    die "the demo in $dir runs already; end it with ./autogen.sh demo --stop"
  fi
  set_up
  [ "${1:-}" = --detach ] || exec tests/stack run "$dir" --demo-data
  mkdir -p "$dir/log" 2> /dev/null || die "can't make $dir; choose another folder with BOXOFFICE_DEMO_DIR"
  rm -f "$dir/run/ready"
  setsid tests/stack run "$dir" --demo-data > "$log" 2>&1 < /dev/null &
  pid=$!
  until [ -s "$dir/run/ready" ]; do
    kill -0 $pid 2> /dev/null || { tail -n 1 "$log" >&2; exit 1; }
    sleep 0.1
  done
  cat "$dir/run/ready"
}

# total KIND...: of what automake counted.
total() {
  local kinds
  kinds=$(IFS='|'; echo "$*")
  awk -v kinds="^# ($kinds):" '$0 ~ kinds { n += $3 } END { print n + 0 }' "$logs/check.log"
}

check() {
  local passed failed status=0 trs
  # What is set for a demo is not for tests.
  unset "${!BOXOFFICE_@}"
  packages+=" $check_packages"
  set_up
  fetch_promtool
  say "testing; all of it is in $logs/check.log, and each test's own log beside it under tests/"
  find tests -name '*.trs' -delete
  make check 2>&1 | tee "$logs/check.log" | { grep --line-buffered -E '^(PASS|FAIL|ERROR|SKIP|XPASS|XFAIL):' || :; } || status=$?
  passed=$(total PASS) failed=$(total FAIL ERROR XPASS)
  # What failed and what it said; or how the log ends, should it have ended in the middle.
  while read -r trs; do
    printf '\n--- %s\n' "${trs%.trs}.log"
    awk '/^not ok|^Bail out/ { said = on = 1; print; next } /^#/ { if (on) print; next } !/^(FAIL|ERROR)/ { on = 0 } END { exit !said }' "${trs%.trs}.log" ||
      tail -n 100 "${trs%.trs}.log"
  done < <(find tests -name '*.trs' -exec grep -lE '^:global-test-result: (FAIL|ERROR|XPASS)' {} + )
  # It ended before it could count.
  if [ $status != 0 ] && [ "$failed" = 0 ]; then
    tail -n 40 "$logs/check.log"
    failed=1
  fi
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

usage() {
  sed -n '/^# \.\/autogen/,/^#$/s/^# \{0,1\}//p' autogen.sh >&2
  exit 2
}

case "$# ${1:-}" in
  '0 ') exec autoreconf -fi ;;
  '1 demo' | '2 demo') demo "${2:-}" ;;
  '1 check') check ;;
  *) usage ;;
esac
