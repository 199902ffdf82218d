# Switches on again what quiesce.sh switched off on this host: exactly what its file lists.
#
# Each thing is enabled, started and proven; then the file goes. What cannot be proven is named
# and the file stays, so that the next attempt does it all again.
# An agent that somebody disabled by its own switch stays so: that is neither read nor changed.
#
# Needs root, and no paths of its own but one.
# Exit status: 0 all is on, or nothing was off; 1 something could not be proven; 3 Puppet is not
# installed; 4 the host lacks what is needed to find out.
set -u
umask 077

mark='#foreman-stacks# '

fail() {
  status=$1
  shift
  echo "resume: $*"
  exit "$status"
}

has() { command -v "$1" >/dev/null 2>&1; }

unit_enabled() { case $(systemctl is-enabled "$1" 2>/dev/null) in enabled | enabled-runtime) ;; *) return 1 ;; esac }
unit_active() { case $(systemctl is-active "$1" 2>/dev/null) in active | reloading) ;; *) return 1 ;; esac }
# A service that is a single run is never active for long: its timer or the next boot starts it.
unit_is_run() { case $(systemctl show -p Type "$1" 2>/dev/null) in *=oneshot) ;; *) return 1 ;; esac }

at_boot() {
  if has update-rc.d; then
    update-rc.d "$1" enable
  elif has chkconfig; then
    chkconfig "$1" on
  elif has rc-update; then
    rc-update add "$1"
  fi >/dev/null 2>&1
}

cron_has() { crontab -l 2>/dev/null | grep -qxF -e "$1"; }

# The line gets its place back, or comes last when its place is gone.
cron_on() {
  cron_has "$1" && ! cron_has "$mark$1" && return
  table=$(crontab -l 2>/dev/null | LINE=$1 MARK=$mark awk '
    { lines[NR] = $0; if ($0 == ENVIRON["LINE"]) there = 1 }
    END {
      for (i = 1; i <= NR; i++) {
        if (lines[i] != ENVIRON["MARK"] ENVIRON["LINE"]) print lines[i]
        else if (!there) { print ENVIRON["LINE"]; back = 1 }
      }
      if (!there && !back) print ENVIRON["LINE"]
    }') || return
  printf '%s\n' "$table" | crontab -
}

switch_on() {
  name=${1#* }
  case $1 in
    "enable "*)
      systemctl enable "$name"
      unit_is_run "$name" || systemctl start "$name"
      ;;
    "start "*) systemctl start "$name" ;;
    "service "*) at_boot "$name" && service "$name" start ;;
    "cron "*) cron_on "$name" ;;
  esac >/dev/null 2>&1
}

proven() {
  name=${1#* }
  case $1 in
    "enable "*) unit_enabled "$name" && { unit_active "$name" || unit_is_run "$name"; } ;;
    "start "*) unit_active "$name" ;;
    "service "*) service "$name" status >/dev/null 2>&1 ;;
    "cron "*) cron_has "$name" ;;
    *) false ;;
  esac
}

# Puppet's own packages put it where only login shells look, and a job has none. The one path that
# is named here (docs/decisions/0010), last in PATH, and only where no command puppet is found.
has puppet || PATH=$PATH:/opt/puppetlabs/bin
has puppet || fail 3 "Puppet is not installed on this host: there is no command puppet"
statedir=$(puppet config print statedir --section agent 2>/dev/null)
[ -n "$statedir" ] || fail 4 "Puppet does not tell its statedir"
record=$statedir/foreman_stacks_quiesced

if [ ! -s "$record" ]; then
  rm -f "$record"
  echo "resume: nothing was disabled"
  exit 0
fi

while IFS= read -r item <&3; do switch_on "$item" 3<&-; done 3<"$record"
sleep 2 # a daemon that cannot start is gone by then
missing=
while IFS= read -r item <&3; do
  proven "$item" 3<&- || missing="$missing; $item"
done 3<"$record"
[ -z "$missing" ] || fail 1 "not proven to be on: ${missing#; }"
done_items=$(sed 's/^cron .*/cron/' "$record" | tr '\n' ',' | sed 's/,$//; s/,/, /g')
rm -f "$record" || fail 4 "cannot remove $record"
echo "resume: done ($done_items)"
