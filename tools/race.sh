#!/usr/bin/env bash
# Runs tests under the race detector: race.sh PACKAGE...
#
# The detector's own runtime may break down in long tests ("ThreadSanitizer: CHECK
# failed"), which says nothing about them: packages in which it did are run once more.
set -uo pipefail
go=${GO:-go}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

"$go" test -race -short -timeout 15m "$@" 2>&1 | tee "$log"
code=${PIPESTATUS[0]}
((code == 0)) && exit

# What a package says comes in one piece, and ends with a line that names it.
mapfile -t broken < <(awk -F'\t' '
	/^ThreadSanitizer: CHECK failed/ { broken = 1 }
	/^(ok  |FAIL)\t/ { if ($1 == "FAIL") print (broken ? "broken" : "failed"), $2; broken = 0 }' "$log")
again=()
for one in "${broken[@]}"; do
	[[ $one == broken\ * ]] || exit "$code" # a test has failed
	again+=("${one#broken }")
done
((${#again[@]})) || exit "$code"
echo "the race detector broke down; again: ${again[*]}"
"$go" test -race -short -timeout 15m -count=1 "${again[@]}"
