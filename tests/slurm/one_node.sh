#!/usr/bin/env bash
# A whole Slurm cluster on this machine, for tests: bash tests/slurm/one_node.sh start FOLDER | stop FOLDER
#
# munged, slurmctld and one slurmd, by hand and without systemd. Configuration, key, socket, process ids, logs and state
# lie in FOLDER, the ports are free ones of 127.0.0.1, so that neither what is installed nor another such cluster is
# touched. Slurm's commands find it by what FOLDER/env exports. Nothing here is a model for a real cluster: every
# program runs as the user who starts it.
#
# `start` returns when the node is idle, else says which log to read and takes back what it began. `stop` cancels all
# jobs, then ends the processes that `start` began, known by process id and start time, and what slurmd has started for
# jobs; it may be called at any time, and again. FOLDER stays: its logs may be wanted.
#
# Slurm looks up addresses with AI_ADDRCONFIG, which does not count those of the loopback network: where there is no
# other, 192.0.2.1 (of the range that is kept for documentation) is added to lo, and removed by `stop`.
#
# Exit status: 0, 1 for what went wrong, 2 for bad usage.
set -euo pipefail

readonly extra_address=192.0.2.1/32
readonly node=one
# More than there are, so that many jobs run at once.
readonly cpus=32
# Deadlines in seconds: far beyond what a slow machine needs.
readonly start_within=60 stop_within=30

usage() {
  cat <<'USAGE'
Usage: bash tests/slurm/one_node.sh start FOLDER | stop FOLDER

Starts or stops a Slurm of one node whose files all lie in FOLDER. What FOLDER/env exports leads srun and squeue there.
USAGE
}

say() { printf 'one_node: %s\n' "$*" >&2; }

die() {
  say "$@"
  exit 1
}

# Programs of daemons lie in sbin, which is not on every user's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

start_ticks() { # PID
  local text
  text=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # The second field is a name that may hold anything: cut off up to its end, field 22 is the 20th.
  # shellcheck disable=SC2086 # split into fields
  set -- ${text##*) }
  if [[ $1 == [ZX] ]]; then return 1; fi
  printf '%s\n' "${20}"
}

# Starts a program in the foreground of a session of its own, and records which process that is.
launch() { # NAME COMMAND...
  local name=$1
  shift
  setsid "$@" >"$folder/$name.out" 2>&1 </dev/null &
  printf '%s %s\n' "$!" "$(start_ticks "$!")" >"$folder/$name.process"
}

is_running() { # NAME
  local pid ticks
  read -r pid ticks 2>/dev/null <"$folder/$1.process" && [[ -n $ticks && $(start_ticks "$pid") == "$ticks" ]]
}

# Waits until a command succeeds, as long as the program NAME runs.
await() { # NAME WHAT COMMAND...
  local name=$1 what=$2 deadline=$((SECONDS + start_within))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ! is_running "$name"; then failed "$name has ended" "$name"; fi
    if ((SECONDS > deadline)); then failed "$what: not within $start_within s" "$name"; fi
    sleep 0.05
  done
}

failed() { # REASON NAME
  tail -q -n 5 "$folder/$2.out" "$folder/$2.log" >&2 2>/dev/null || :
  trap - EXIT
  stop
  die "$1. Please read $folder/$2.log and $folder/$2.out"
}

# Below the range from which the kernel takes ports for clients, so that none of those gets it meanwhile.
free_port() {
  local port
  while :; do
    port=$((10000 + RANDOM % 20000))
    if ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
  done
  printf '%s\n' "$port"
}

# Whether there is an address that is neither of the loopback network nor of a single link.
has_address() { ip -oneline address show up scope global | grep -q -w inet; }

configure() {
  local host user
  host=$(hostname -s)
  user=$(id -un)
  cat >"$folder/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
# Less than the machine has would make the node drain.
SlurmdParameters=config_overrides
ReturnToService=2
MailProg=/bin/true
InactiveLimit=3
NodeName=$node NodeHostname=$host NodeAddr=127.0.0.1 CPUs=$cpus
PartitionName=main Nodes=$node Default=YES MaxTime=INFINITE
CONF
  # Since Slurm 23.02 slurmd wants a control group unless it is told not to.
  if [[ $(slurmd -V) != *" 2"[0-2].* ]]; then echo CgroupPlugin=disabled >"$folder/cgroup.conf"; fi
}

start() {
  local program
  for program in munged slurmctld slurmd srun sinfo ip setsid hostname; do
    command -v "$program" >/dev/null || die "There is no $program. Please install munge, slurmctld, slurmd, slurm-client"
  done
  # The longest path of a socket is 107 bytes.
  if ((${#folder} > 80)); then die "The path of a socket in $folder would be too long. Please take a shorter folder"; fi
  if is_running slurmctld || is_running slurmd || is_running munged; then die "It runs already in $folder"; fi
  mkdir -p "$folder"/{state,spool}
  trap stop EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  if ! has_address; then
    ip address add "$extra_address" dev lo || die "Slurm needs an address besides 127.0.0.1, and none can be added to lo"
    echo "$extra_address" >"$folder/address"
  fi
  configure
  (umask 077 && head -c 128 /dev/urandom >"$folder/munge.key")
  rm -f "$folder"/{munged,slurmctld,slurmd}.log
  # It would rather have folders that only root may write to, and a socket that everybody can reach.
  launch munged munged --foreground --force --num-threads=2 --key-file="$folder/munge.key" \
    --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" \
    --seed-file="$folder/munged.seed"
  await munged "munged answers" munge --no-input --socket="$folder/munge.socket"
  launch slurmctld slurmctld -D -i -f "$SLURM_CONF"
  launch slurmd slurmd -D -N "$node" -f "$SLURM_CONF"
  await slurmctld "slurmctld answers" scontrol ping
  await slurmd "the node is idle" is_idle
  printf "export SLURM_CONF='%s'\n" "${SLURM_CONF//\'/\'\\\'\'}" | tee "$folder/env"
  trap - EXIT
}

is_idle() { [[ $(sinfo --noheader --format=%T) == idle ]]; }

# Ends a program that `start` began: SIGTERM, after a while SIGKILL.
end() { # NAME
  local pid deadline=$((SECONDS + stop_within))
  if is_running "$1"; then
    read -r pid _ <"$folder/$1.process"
    kill -TERM "$pid" 2>/dev/null || :
    while is_running "$1"; do
      if ((SECONDS > deadline)); then kill -KILL "$pid" 2>/dev/null || :; fi
      sleep 0.05
    done
  fi
  rm -f "$folder/$1.process"
}

no_jobs() { [[ -z $(timeout 10 squeue --noheader 2>/dev/null) ]]; }

# slurmd's helpers, one for each step of a job, leave it for the first process. The one that stops is told by its
# environment, which is slurmd's.
helpers() {
  local process
  for process in /proc/[0-9]*; do
    if [[ $(cat "$process/comm" 2>/dev/null) == slurmstepd ]] &&
      grep -q -s -z -x -F "SLURM_CONF=$SLURM_CONF" "$process/environ"; then
      printf '%s\n' "${process#/proc/}"
    fi
  done
}

stop() {
  local pid deadline=$((SECONDS + stop_within))
  if is_running slurmctld && is_running slurmd && is_running munged; then
    timeout 10 scancel --signal=KILL --state=RUNNING --user="$(id -un)" 2>/dev/null || :
    timeout 10 scancel --user="$(id -un)" 2>/dev/null || :
    until no_jobs || ((SECONDS > deadline)); do sleep 0.05; done
  fi
  end slurmd
  end slurmctld
  for pid in $(helpers); do kill -KILL "$pid" 2>/dev/null || :; done
  end munged
  if [[ -e $folder/address ]]; then
    ip address del "$extra_address" dev lo 2>/dev/null || :
    rm -f "$folder/address"
  fi
  rm -f "$folder/env"
}

case $#/${1:-} in
2/start | 2/stop) ;;
1/-h | 1/--help)
  usage
  exit 0
  ;;
*)
  usage >&2
  exit 2
  ;;
esac
folder=$(realpath -m -- "$2")
export SLURM_CONF=$folder/slurm.conf
"$1"
