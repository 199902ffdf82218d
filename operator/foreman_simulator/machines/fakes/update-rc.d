#!/bin/sh
# update-rc.d: whether an init script starts with the machine.
. "${0%/*}/../tools/fakes/lib.sh"
while :; do case ${1-} in -*) shift ;; *) break ;; esac done
if ! load "$1"; then
  echo "update-rc.d: error: unable to read /etc/init.d/$1" >&2
  exit 1
fi
# shellcheck disable=SC2034  # store writes it
case $2 in
  enable | defaults) enabled=enabled ;;
  disable | remove) enabled=disabled ;;
  *) echo "update-rc.d: error: usage" >&2; exit 1 ;;
esac
store "$1"
