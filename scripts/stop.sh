#!/usr/bin/env bash
# Ends what this checkout runs (demo, dev, sandbox or a test run) and removes
# what it left, even when its script was killed.
source "$(dirname "$0")/lib.sh"
source "$root/scripts/services.sh"

tested=$(pid_file test)
# A check keeps no pid: all it can leave is this.
"$root/scripts/postgres.sh" stop check
[[ -d $demo || -e $tested ]] || { note "nothing of this checkout runs" && exit 0; }
# The traps of these do the work, the outer one first; what they could not do is done here.
end test 30
while read -r job when; do
  [[ $(born "$job") != "$when" ]] || kill -TERM -- "-$job" 2>/dev/null || true
done < <(cat "$(pid_file test-jobs)" 2>/dev/null)
end session 150
tear_down
"$root/scripts/postgres.sh" stop test
rm -f "$tested" "$(pid_file test-jobs)"
