#!/usr/bin/env bash
# Ends what this checkout runs (demo, dev or sandbox) and removes what it left,
# even when its script was killed.
source "$(dirname "$0")/lib.sh"
source "$root/scripts/services.sh"

[[ -d $demo ]] || { note "nothing of this checkout runs" && exit 0; }
# The session's own trap does the work; what it could not do is done here.
end session 150
tear_down
