#!/bin/sh
# On a fresh Debian, as root: installs a .deb, uses qj as a user would who has nothing else, and takes it away again.
# The last line is `N passed, N failed`. sh installed.sh FILE.deb README.md
set -u
deb=$1
readme=$2
passed=0
failed=0

check() { # NAME COMMAND...
  name=$1
  shift
  if output=$("$@" 2>&1); then
    passed=$((passed + 1))
    echo "ok $name"
  else
    failed=$((failed + 1))
    printf 'FAILED %s\n%s\n' "$name" "$output"
  fi
}

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends "$@"; }
as_user() { setpriv --reuid alice --regid alice --init-groups env -i HOME=/home/alice PATH=/usr/bin:/bin LANG=C.UTF-8 "$@"; }

# What is there, without what packages of the system keep for themselves.
list() {
  find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /qj -o -path /root -o -path /home \
    -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/cache -o -path /var/log -o -path /var/lib/systemd \) -prune -o -print | sort
}

useradd --create-home alice
# Elsewhere udev gives it this mode, and the system has the list in which fusermount3 looks.
[ -e /etc/mtab ] || ln -s /proc/self/mounts /etc/mtab
mknod -m 666 /tmp/fuse c 10 229
mount --bind /tmp/fuse /dev/fuse

# What qj depends on stays when it goes: it is there before, so that the lists can be compared.
apt_get update
apt_get install fuse3 >/dev/null
list >/tmp/before

check "apt installs it with what it depends on" apt_get install "$deb"
check "qj --version" sh -c 'qj --version | grep -E "^qj [0-9.]+ \(Deno .*libfuse 3"'
check "qj --check, for an ordinary user" sh -c 'cd /home/alice; mkdir jobs; chown alice jobs; '"setpriv --reuid alice --regid alice --init-groups env HOME=/home/alice qj --check jobs"

# The tour of the README: its blocks of commands, in order. What only looks, for ever, looks for a moment.
awk '/^## A tour/ { on = 1; next } /^## / { on = 0 }
  on && /^    / { if (!inside) skip = /^    (>>>|hello)/; inside = 1; if (!skip) print substr($0, 5); next }
  /./ { inside = 0 }' "$readme" |
  sed 's/^tail -f /timeout 7 tail -f /' >/tmp/tour.sh
tour() {
  as_user qj /home/alice/jobs 2>/tmp/log &
  daemon=$!
  tries=0
  until grep -q '/home/alice/jobs fuse.qj' /proc/mounts; do
    tries=$((tries + 1))
    if [ $tries -gt 600 ] || ! kill -0 $daemon; then
      cat /tmp/log
      return 1
    fi
    sleep 0.1
  done
  as_user bash /tmp/tour.sh >/tmp/tour.out 2>&1
  as_user ls /home/alice/jobs/complete /home/alice/jobs/pending >/tmp/jobs
  as_user jq -c '[.max_job_count, .timeout_sec, .queues.video.max_job_count]' /home/alice/jobs/config.json >/tmp/settings
  as_user fusermount3 -u /home/alice/jobs || { kill $daemon && return 1; }
  wait $daemon
}
check "the tour of the README, as a user, to its end" tour
check "the tour: a log" grep -x 'hello world' /tmp/tour.out
check "the tour: three attempts" sh -c '[ "$(grep -c "exit status 127" /tmp/tour.out)" -ge 3 ]'
check "the tour: a job is followed" sh -c '[ "$(grep -c "UTC\|GMT" /tmp/tour.out)" -ge 2 ]'
check "the tour: a job that waits for tomorrow" grep -x later /tmp/jobs
check "the tour: events" grep -q '"event":"submitted"' /tmp/tour.out
check "the tour: settings" grep -x '\[5,3600,1\]' /tmp/settings
check "the tour: a bad setting is refused" grep -q 'Invalid argument' /tmp/tour.out

check "the manual pages are found and have no warnings" sh -c '
  for page in "1 qj" "5 qj"; do
    MANROFFSEQ= MANWIDTH=80 man --warnings -E UTF-8 $page 2>/tmp/warnings >/tmp/page && [ ! -s /tmp/warnings ] && grep -q "qj([15])" /tmp/page ||
      { cat /tmp/warnings; exit 1; }
  done'
check "bash completes options" bash -c '
  source /usr/share/bash-completion/bash_completion
  _completion_loader qj
  COMP_LINE="qj --lo" COMP_POINT=7 COMP_WORDS=(qj --lo) COMP_CWORD=1
  _qj qj --lo qj
  [[ " ${COMPREPLY[*]} " == *" --log-level "* ]]'
check "the example of a config.json is taken" sh -c '
  qj --state-file /var/lib/qj/test/state.db -o log_level=warning /mnt &&
  cat /usr/share/doc/qj/examples/config.json > /mnt/config.json && jq -e ".queues.backup.max_job_count == 1" /mnt/config.json && umount /mnt'
check "mount -t fuse.qj" sh -c '
  until mount -t fuse.qj /var/lib/qj/test/state.db /mnt 2>/tmp/error || ! grep -q "another qj" /tmp/error; do sleep 0.1; done
  grep -q "^/var/lib/qj/test/state.db /mnt fuse.qj" /proc/mounts && umount /mnt'
check "the units are there" sh -c 'ls /usr/lib/systemd/system/qj@.service /usr/lib/systemd/user/qj.service'

check "apt removes it" apt_get remove qj
check "purge says that the jobs are kept" sh -c 'DEBIAN_FRONTEND=noninteractive apt-get -y purge qj 2>&1 | grep -q "jobs in /var/lib/qj are kept"'
check "the jobs are kept" sh -c 'ls /var/lib/qj/test/state.db /home/alice/.local/share/qj/state.db'
rm -rf /var/lib/qj
list >/tmp/after
check "nothing else is left" diff /tmp/before /tmp/after

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
