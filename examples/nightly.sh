#!/bin/sh
# A job of cron or of a container that goes on where it was killed:
#   15 2 * * *  statestore run --task "sales/$(date +\%F)/nightly" -- /opt/sales/nightly.sh
# `statestore run` starts an attempt: what an older, still running one writes from now on is refused.
set -eu
pages=3
done=$(statestore get last_page --default 0)
while [ "$done" -lt "$pages" ]; do
    done=$((done + 1))
    echo "loading page $done"
    statestore set last_page "$done"
    statestore progress "$done" "$pages" --unit pages
    if [ "${STOP_AFTER:-}" = "$done" ]; then exit 75; fi # for trying it out
done
statestore progress "$pages" "$pages" --unit pages --status done
