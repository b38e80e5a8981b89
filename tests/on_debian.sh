#!/bin/sh
# Runs the tests of real mounts on another Debian than this one, for its libfuse: sh tests/on_debian.sh [--all] [SUITE]
# Or installs a package on one that has nothing else: sh tests/on_debian.sh --deb FILE [SUITE]
#
# debootstrap makes a fresh root, with the packages that ./bootstrap wants for tests. It is kept as one tar file and
# unpacked for each run, so that no run sees what another has left. The project goes in as it is here, with Deno and its
# cache where they are here already, and the tests run in mount and process namespaces of their own: with this script
# all their mounts and processes end. What reaches the network (proxy, certificates, apt's settings, mirror) is as here.
#
# The last line is `N passed, N failed`. Exit status: 0 or 1 as the tests say, 2 for bad usage, 77 with the reason where
# no root can be made or entered.
set -eu

usage() {
  cat <<'USAGE'
Usage: sh tests/on_debian.sh [--all | --deb FILE] [SUITE]

SUITE is a release of Debian, by default trixie, which has libfuse3.so.4. Needs root and debootstrap.

  --all        the whole of ./bootstrap test, not only the tests of mounts and of the ABI
  --deb FILE   install this package and use it, see tests/packaging/installed.sh

QJ_DEBIAN_ROOTS   the folder that keeps the root for the next time; empty: it is not kept.
                  Default: $XDG_CACHE_HOME/qj, else ~/.cache/qj
USAGE
}

say() { printf 'on_debian: %s\n' "$*" >&2; }

skip() {
  say "not run: $*"
  exit 77
}

# Runs a command in the root, in namespaces that end with it, with the environment of a login, what says how to reach
# the network, and nothing else.
enter() { # ROOT COMMAND...
  root=$1
  shift
  for name in CI TERM NO_COLOR http_proxy https_proxy all_proxy no_proxy \
    HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY NPM_CONFIG_REGISTRY DENO_TLS_CA_STORE; do
    if value=$(printenv "$name"); then set -- "$name=$value" "$@"; fi
  done
  set -- PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt QJ_SKIP_HEAVY=1 QJ_DEBIAN13=0 "$@"
  unshare --mount --pid --fork --kill-child --propagation private sh "$0" --first "$root" "$@" &
  child=$!
  status=0
  wait "$child" || status=$?
  child=
  return "$status"
}

# PID 1 of the namespaces. It stays, to wait for orphans as an init does.
first() { # ROOT [NAME=VALUE...] COMMAND...
  root=$1
  shift
  mount --bind "$root" "$root"
  mount -o remount,bind,exec,suid,dev "$root"
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  # --rbind takes it along where it is mounted.
  connections=$root/sys/fs/fuse/connections
  if ! mountpoint -q "$connections"; then mount -t fusectl fusectl "$connections"; fi
  status=0
  # The shell makes its background processes ignore these.
  chroot "$root" env -i --default-signal=INT,QUIT "$@" || status=$?
  exit "$status"
}

# The mirror that apt uses here, if here is Debian. Without one debootstrap takes its own.
mirror() {
  # shellcheck disable=SC2016 # apt's own variables
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 2>/dev/null |
    grep -m 1 -E '^(https?|file):' || :
}

# debootstrap's own way to find what packages depend on is a rough one, so that apt installs those of the tests.
make_root() { # ROOT
  say "making a root of Debian $suite"
  # shellcheck disable=SC2046 # at most one word
  unshare --mount --propagation private \
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$1" $(mirror) >"$work/log" 2>&1 </dev/null ||
    no_root debootstrap
  copy_network "$1"
  echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/qj"
  # shellcheck disable=SC2086 # a list
  enter "$1" env DEBIAN_FRONTEND=noninteractive sh -euc \
    'apt-get -qq update; apt-get -qq -y --no-install-recommends install "$@"; apt-get clean' sh $packages \
    >"$work/log" 2>&1 </dev/null || no_root apt-get
  if [ -n "$kept" ]; then
    tar -C "$1" -cf "$work/tar" .
    rm -f "$roots/debian-$suite-"*.tar
    mv "$work/tar" "$kept"
  fi
}

no_root() { # PROGRAM
  tail -n 5 "$work/log" >&2
  skip "$1 cannot make a root of Debian $suite, see above"
}

# What is set up on this machine to reach the network.
copy_network() { # ROOT
  for file in /etc/resolv.conf /etc/hosts; do
    if [ -e "$file" ]; then cp -L --remove-destination "$file" "$1$file"; fi
  done
  if [ -d /usr/local/share/ca-certificates ]; then
    cp -RL /usr/local/share/ca-certificates "$1/usr/local/share/"
  fi
  for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
    if [ -f "$file" ]; then
      cp -L "$file" "$1/etc/ssl/certs/ca-certificates.crt"
      break
    fi
  done
  if command -v apt-config >/dev/null; then
    apt-config dump Acquire | grep -E '^Acquire::(https?|ftp|Check|Retries|ForceIP)' |
      grep -v -i -E 'auto-?detect|::(CA|Ssl)' >"$1/etc/apt/apt.conf.d/99host" || :
  fi
}

# What would else be downloaded once more.
copy_deno() { # ROOT
  deno=$(command -v deno) || return 0
  cp -L "$deno" "$1/usr/local/bin/deno"
  cache=$(deno info --json 2>/dev/null | sed -n 's/^ *"denoDir": *"\(.*\)".*/\1/p')
  for part in npm dl; do
    if [ -d "$cache/$part" ]; then
      mkdir -p "$1/root/.cache/deno"
      cp -R "$cache/$part" "$1/root/.cache/deno/"
    fi
  done
  if [ -f "${DENORT_BIN:-}" ]; then cp -L "$DENORT_BIN" "$1/usr/local/bin/denort"; fi
}

task=test:mount
deb=
case ${1:-} in
--first)
  shift
  first "$@"
  ;;
--all)
  task="test"
  shift
  ;;
--deb)
  if [ $# -lt 2 ] || [ ! -f "$2" ]; then
    usage >&2
    exit 2
  fi
  deb=$2
  shift 2
  ;;
-h | --help)
  usage
  exit 0
  ;;
esac
suite=${1:-trixie}
case $#/$suite in
[01]/[a-z]*) ;;
*)
  usage >&2
  exit 2
  ;;
esac

if [ "$(id -u)" -ne 0 ]; then skip "it needs root"; fi
if ! command -v debootstrap >/dev/null; then skip "there is no debootstrap: install the package of that name"; fi
if ! (: <>/dev/fuse) 2>/dev/null; then skip "there is no /dev/fuse, or it may not be opened"; fi
if ! unshare --mount --pid --fork --propagation private mount -t proc proc /proc 2>/dev/null; then skip "this root may not make namespaces and mounts"; fi

project=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
if [ -n "$deb" ]; then
  # To read the manual, to complete, and to look at the processes and settings.
  packages="man-db bash-completion jq procps"
else
  packages=$("$project/bootstrap" --packages)
fi
if [ -n "${QJ_DEBIAN_ROOTS+set}" ]; then
  roots=$QJ_DEBIAN_ROOTS
elif [ -n "${XDG_CACHE_HOME:-${HOME:-}}" ]; then
  roots=${XDG_CACHE_HOME:-$HOME/.cache}/qj
else
  roots=
fi

child=
clean() {
  # With its parent, which puts SIGTERM off, the namespace's first process dies, with that all others and the mounts.
  if [ -n "$child" ] && kill -KILL "$child" 2>/dev/null; then wait "$child" || :; fi
  rm -rf --one-file-system "$work"
}
kept=
if [ -n "$roots" ] && mkdir -p "$roots"; then
  work=$(mktemp -d "$roots/run.XXXXXX")
  kept=$roots/debian-$suite-$(uname -m)-$(printf %s "$packages" | cksum | tr ' ' -).tar
else
  work=$(mktemp -d "${TMPDIR:-/var/tmp}/qj-debian.XXXXXX")
fi
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

root=$work/root
mkdir "$root"
if [ -f "$kept" ]; then
  tar -C "$root" -xf "$kept"
else
  make_root "$root"
fi
mkdir "$root/qj"
if [ -n "$deb" ]; then
  cp "$deb" "$root/qj/qj.deb"
  cp "$project/README.md" "$project/tests/packaging/installed.sh" "$root/qj/"
  copy_network "$root"
  enter "$root" sh /qj/installed.sh /qj/qj.deb /qj/README.md </dev/null
  exit
fi
tar -C "$project" --exclude=./.git --exclude=./dist -cf - . | tar -C "$root/qj" -xof -
copy_network "$root"
copy_deno "$root"
# shellcheck disable=SC2016 # expanded inside
set -- sh -euc 'cd /qj; ./bootstrap start --version; exec ./bootstrap "$1"' sh "$task"
if [ -f "$root/usr/local/bin/denort" ]; then set -- DENORT_BIN=/usr/local/bin/denort "$@"; fi
enter "$root" "$@" </dev/null
