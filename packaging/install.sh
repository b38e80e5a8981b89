#!/bin/sh
# Installs what `deno task package` or `deno task compile` and `deno task man` have made: the program, manual pages, completions
# and systemd units. Nothing is fetched from anywhere.
set -eu

usage() {
  cat <<'USAGE'
Usage: sh packaging/install.sh [--prefix DIR] [--destdir DIR] [--program FILE] [--uninstall]

  --prefix DIR    where the files belong. Default: /usr/local for root, else ~/.local
  --destdir DIR   a directory that stands for / (for packages)
  --program FILE  the executable. Default: dist/qj
  --uninstall     remove what an installation to the same place has made. Jobs are kept
USAGE
}

die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

project=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
dist=$project/dist
program=$dist/qj
destdir=
uninstall=
if [ "$(id -u)" -eq 0 ]; then prefix=/usr/local; else prefix=${HOME:?}/.local; fi
while [ $# -gt 0 ]; do
  case $1 in
  --prefix | --destdir | --program)
    if [ $# -lt 2 ]; then die "$1 needs a value, see --help"; fi
    case $1 in
    --prefix) prefix=$2 ;;
    --destdir) destdir=$2 ;;
    *) program=$2 ;;
    esac
    shift
    ;;
  --uninstall) uninstall=1 ;;
  -h | --help)
    usage
    exit 0
    ;;
  *)
    usage >&2
    exit 2
    ;;
  esac
  shift
done
case $prefix in
/*) ;;
*) die "--prefix must be an absolute path, not \"$prefix\"" ;;
esac

share=$prefix/share
case $prefix in
*/.local) user_units=$share/systemd/user system_units= ;;
*) user_units=$prefix/lib/systemd/user system_units=$prefix/lib/systemd/system ;;
esac
# What is where: the destination, then the source, then the mode.
files() {
  cat <<FILES
$prefix/bin/qj|$program|755
$share/man/man1/qj.1.gz|$dist/qj.1|644
$share/man/man5/qj.5.gz|$dist/qj.5|644
$share/bash-completion/completions/qj|bash|644
$share/zsh/site-functions/_qj|zsh|644
$share/fish/vendor_completions.d/qj.fish|fish|644
$user_units/qj.service|$project/packaging/systemd/qj.service|644
${system_units:+$system_units/qj@.service|$project/packaging/systemd/qj@.service|644}
$share/doc/qj/README.md|$project/README.md|644
$share/doc/qj/SECURITY.md|$project/SECURITY.md|644
$share/doc/qj/examples/config.json|$project/packaging/examples/config.json|644
$share/doc/qj/examples/qj@.conf|$project/packaging/examples/qj@.conf|644
FILES
}

if [ -n "$uninstall" ]; then
  files | while IFS='|' read -r to _from _mode; do
    if [ -n "$to" ]; then rm -f -- "$destdir$to"; fi
  done
  rmdir -- "$destdir$share/doc/qj/examples" "$destdir$share/doc/qj" 2>/dev/null || :
  exit 0
fi

if [ ! -x "$program" ]; then die "there is no $program: make it with deno task compile"; fi
for page in qj.1 qj.5; do
  if [ ! -f "$dist/$page" ]; then die "there is no dist/$page: make it with deno task man"; fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
files | while IFS='|' read -r to from mode; do
  if [ -z "$to" ]; then continue; fi
  case $from in
  bash | zsh | fish)
    # A program for another machine cannot be asked; its completions were made before.
    "$program" --completion "$from" >"$work/file" 2>"$work/errors" ||
      cp "$dist/completions/$from" "$work/file" 2>/dev/null || {
      cat "$work/errors" >&2
      die "$program does not run, so that there is no completion for $from"
    }
    ;;
  */dist/qj.[15]) gzip -9 -n -c "$from" >"$work/file" ;;
  *.service) sed "s|/usr/bin/qj|$prefix/bin/qj|g" "$from" >"$work/file" ;;
  *) cp "$from" "$work/file" ;;
  esac
  install -D -m "$mode" "$work/file" "$destdir$to"
  rm -f "$work/file"
done
if [ -z "$destdir" ] && [ -d /run/systemd/system ]; then
  if [ -n "$system_units" ]; then systemctl daemon-reload; else systemctl --user daemon-reload || :; fi
fi
