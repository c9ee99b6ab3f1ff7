#!/usr/bin/env bash
# Ends what this checkout runs (demo, dev, sandbox, a check or a test run) and removes
# what it left, even when its script was killed.
source "$(dirname "$0")/lib.sh"
source "$root/scripts/services.sh"

tested=$(pid_file test) checked=$(pid_file check)
[[ -d $demo || -e $tested || -e $checked ]] || { note "nothing of this checkout runs" && exit 0; }
# The traps of these do the work, the outer one first; what they could not do is done here.
end test 30
while read -r job when; do
  [[ $(born "$job") != "$when" ]] || kill -TERM -- "-$job" 2>/dev/null || true
done < <(cat "$(pid_file test-jobs)" 2>/dev/null)
end check 30
end session 150
tear_down
for database in check test; do "$root/scripts/postgres.sh" stop "$database"; done
rm -f "$checked" "$tested" "$(pid_file test-jobs)"
