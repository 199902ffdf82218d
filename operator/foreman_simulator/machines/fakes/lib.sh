# Sourced by every fake: the model of one machine as files, one per unit and process.
# $root/bin holds the fakes, $root/host the model, $root/state Puppet's statedir.
root=${0%/*}
root=${root%/*}
host=$root/host
# shellcheck disable=SC2034  # for those who source this
statedir=$root/state
lock=$root/state/agent_catalog_run.lock
# shellcheck disable=SC2123  # a script's own PATH is not the fakes' one
PATH=$root/tools/commands

# get FILE: its first line into $value, nothing when it is not there.
get() {
  value=
  [ ! -f "$host/$1" ] || read -r value <"$host/$1" || :
}

# asked WHAT: the result of this script depends on WHAT and is no other machine's result.
asked() {
  : >"$host/asked/$1"
}

# load UNIT: $kind, $enabled and $active; false when there is no such unit.
load() {
  [ -f "$host/units/$1" ] && read -r kind enabled active <"$host/units/$1"
}

# store UNIT: the same, back.
store() {
  echo "$kind $enabled $active" >"$host/units/$1"
}

# timer_run UNIT: whether the run under way is this timer's service.
timer_run() {
  [ "$kind" = oneshot ] && [ -f "$host/run" ] && read -r _ _ cause <"$host/run" && [ "$cause" = timer ]
}

# remove_lock PID: Puppet removes the lock that holds its own pid.
remove_lock() {
  [ ! -f "$lock" ] || [ "$(cat "$lock")" != "$1" ] || rm -f "$lock"
}

# end_process PID SIGNAL: a process that was killed leaves its lock behind, one that ends does not.
end_process() {
  get daemon
  if [ "${value%% *}" = "$1" ]; then
    unit=${value#* }
    rm -f "$host/daemon"
    if [ -n "$unit" ] && load "$unit"; then
      active=inactive
      store "$unit"
    fi
  fi
  get run
  if [ "${value%% *}" = "$1" ]; then
    rm -f "$host/run"
    [ "$2" = KILL ] || remove_lock "$1"
  fi
  rm -f "$host/procs/$1"
}

# start_unit UNIT: a service's daemon is a process; a timer only waits.
start_unit() {
  load "$1" || return 1
  [ "$active" = inactive ] || return 0
  active=active
  store "$1"
  case $kind in timer | oneshot) return 0 ;; esac
  [ ! -f "$host/daemon" ] || return 0
  get next_pid
  echo "$value $1" >"$host/daemon"
  echo "/usr/bin/ruby /usr/bin/puppet agent --no-daemonize" >"$host/procs/$value"
  echo "$((value + 1))" >"$host/next_pid"
}

# stop_unit UNIT: ends the daemon only (Puppet's unit has KillMode=process): a run goes on.
stop_unit() {
  load "$1" || return 1
  if timer_run; then
    get run
    end_process "${value%% *}" TERM
  fi
  get daemon
  if [ "${value#* }" = "$1" ] && [ -n "$value" ]; then end_process "${value%% *}" TERM; fi
  load "$1"
  active=inactive
  store "$1"
}
