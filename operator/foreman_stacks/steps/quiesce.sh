# Stops Puppet's periodic running on this host and proves that nothing of it is left.
#
# What is enabled or runs (service, timer, line of root's crontab) is first written to a file in
# Puppet's statedir, then switched off; resume.sh switches on what that file lists. A run under
# way is waited for: stopping the service does not end it (its unit has KillMode=process).
# An agent that somebody disabled by its own switch stays so: that is neither read nor changed.
#
# In front of this: limit=SECONDS, how long to wait. Needs root, and no paths of its own but one.
# Exit status: 0 proven; 1 something still runs, or cannot be switched off; 3 Puppet is not
# installed; 4 the host lacks what is needed to find out.
# Not seen, as no command shows it: lines in cron's own folders; without systemd, an init script
# that is enabled but not running.
set -u
umask 077
: "${limit:=120}"

units='puppet.service puppet-agent.service puppetagent.service openvox.service openvox-agent.service
  puppet.timer puppet-run.timer puppet-agent.timer openvox.timer openvox-run.timer openvox-agent.timer'
scripts='puppet puppet-agent openvox openvox-agent'
# The brackets keep these patterns from finding a process that has this text as its command line.
process='[p]uppet agent'
cron_line='^[[:space:]]*[^#[:space:]].*[p]uppet[[:space:]]+agent([^[:alnum:]_-]|$)'
mark='#foreman-stacks# '
grace=10

fail() {
  status=$1
  shift
  echo "quiesce: $*"
  exit "$status"
}

has() { command -v "$1" >/dev/null 2>&1; }

systemd() {
  case $(systemctl is-system-running 2>/dev/null) in '' | offline | unknown) return 1 ;; esac
}

unit_enabled() { case $(systemctl is-enabled "$1" 2>/dev/null) in enabled | enabled-runtime) ;; *) return 1 ;; esac }
unit_active() { case $(systemctl is-active "$1" 2>/dev/null) in active | reloading) ;; *) return 1 ;; esac }
script_active() { service "$1" status >/dev/null 2>&1; }

# Of our units those that this host knows.
known_units() {
  # shellcheck disable=SC2086  # names, not patterns
  systemctl list-unit-files --no-legend $units 2>/dev/null | awk '{ print $1 }'
}

cron_lines() { ! has crontab || crontab -l 2>/dev/null | grep -E "$cron_line"; }

# The intention comes before the act, so that a crash between them loses nothing.
remember() {
  grep -qxF -e "$1" "$record" 2>/dev/null || printf '%s\n' "$1" >>"$record" ||
    fail 4 "cannot write to $record"
}

switch_units_off() {
  for unit in $(known_units); do
    if unit_enabled "$unit"; then
      remember "enable $unit"
      systemctl disable "$unit" >/dev/null 2>&1
    elif unit_active "$unit" && ! grep -qxF "enable $unit" "$record" 2>/dev/null; then
      remember "start $unit"
    fi
    # A unit that is just starting is left to end: a timer's service is a run under way.
    if unit_active "$unit"; then systemctl stop "$unit" >/dev/null 2>&1; fi
  done
}

not_at_boot() {
  if has update-rc.d; then
    update-rc.d "$1" disable
  elif has chkconfig; then
    chkconfig "$1" off
  elif has rc-update; then
    rc-update del "$1"
  else
    return 1
  fi >/dev/null 2>&1
}

switch_scripts_off() {
  has service || return 0
  for name in $scripts; do
    script_active "$name" || continue
    remember "service $name"
    not_at_boot "$name" || fail 1 "service $name runs, and nothing here can keep it from starting at boot"
    service "$name" stop >/dev/null 2>&1
  done
}

switch_cron_off() {
  lines=$(cron_lines)
  [ -n "$lines" ] || return 0
  while IFS= read -r line; do remember "cron $line"; done <<EOF
$lines
EOF
  table=$(crontab -l) || fail 4 "crontab -l failed"
  printf '%s\n' "$table" | sed -E "/$cron_line/s/^/$mark/" | crontab - || fail 4 "crontab refused its new lines"
}

switch_off() {
  if systemd; then switch_units_off; else switch_scripts_off; fi
  switch_cron_off
}

# What would start the agent by itself: empty when all is off.
switched_on() {
  if systemd; then
    for unit in $(known_units); do
      if unit_enabled "$unit" || unit_active "$unit"; then printf ' %s' "$unit"; fi
    done
  elif has service; then
    for name in $scripts; do
      if script_active "$name"; then printf ' service %s' "$name"; fi
    done
  fi
  [ -z "$(cron_lines)" ] || printf ' crontab of root'
}

agents() { pgrep -f "$process"; }

# The pid of the run under way. Puppet takes no notice of a lock whose process is gone, nor do we.
lock_holder() {
  [ -n "$lock" ] && [ -s "$lock" ] && pgrep -f '[p]uppet' | grep -xF -e "$(cat "$lock")"
}

# Agents that idle: no run, and there since we came. They take a while to start and to end.
end_idle() {
  for pid in $(agents); do
    case $present in *" $pid "*) kill "$pid" 2>/dev/null ;; esac
  done
}

still_there() {
  [ -z "$holder" ] || fail 1 "a run is still under way after $waited s (process $holder)"
  fail 1 "the agent still runs after $waited s (processes ${pids% })"
}

# A run that we wait for may switch on again what we switched off, so that is looked at after it.
wait_until_quiet() {
  waited=0 idle=0
  while :; do
    holder=$(lock_holder)
    if [ -n "$holder" ]; then
      idle=0
    elif [ -n "$(switched_on)" ]; then
      switch_off
      on=$(switched_on)
      [ -z "$on" ] || fail 1 "cannot be switched off:$on"
    fi
    pids=$(agents | tr '\n' ' ')
    [ -n "$holder$pids" ] || return 0
    [ "$waited" -lt "$limit" ] || still_there
    [ "$idle" -lt "$grace" ] || end_idle
    sleep 2
    waited=$((waited + 2)) idle=$((idle + 2))
  done
}

# Puppet's own packages put it where only login shells look, and a job has none. The one path that
# is named here (docs/decisions/0010), last in PATH, and only where no command puppet is found.
has puppet || PATH=$PATH:/opt/puppetlabs/bin
has puppet || fail 3 "Puppet is not installed on this host: there is no command puppet"
has pgrep || fail 4 "there is no command pgrep on this host (package procps): what runs cannot be seen"

settings=$(puppet config print statedir agent_catalog_run_lockfile --section agent 2>/dev/null)
statedir=$(printf '%s\n' "$settings" | sed -n 's/^statedir = //p')
lock=$(printf '%s\n' "$settings" | sed -n 's/^agent_catalog_run_lockfile = //p')
[ -n "$statedir" ] || fail 4 "Puppet does not tell its statedir"
mkdir -p "$statedir" || fail 4 "cannot make $statedir"
record=$statedir/foreman_stacks_quiesced

present=" $(agents | tr '\n' ' ')"
switch_off
wait_until_quiet
echo "quiesce: done after $waited s"
