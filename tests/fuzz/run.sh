#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds each tests/fuzz/*.c with libFuzzer, ASan and UBSan, and runs it for a while. All of our
# sources without a main are in one archive, from which a target takes what it needs. The corpus
# stays in build-fuzz/corpus and grows from run to run; tests/fuzz/corpus/TARGET starts it.
# usage: tests/fuzz/run.sh [SECONDS | -runs=N [TARGET]]   (./dev fuzz calls it)

set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

amount="${1:-60}"
wanted="${2:-}"
flags=(-std=c17 -D_GNU_SOURCE -DBATON_VERSION=\"fuzz\" -g -O1 -Isrc -Ichild -Itests/unit
	-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all)

say() { printf '%s\n' "fuzz: $*" >&2; }

case "$amount" in
-runs=*) limit="$amount" ;;
*) limit="-max_total_time=$amount" ;;
esac
[[ $limit =~ =[0-9]+$ ]] || { say "usage: ./dev fuzz [SECONDS | -runs=N [TARGET]]"; exit 2; }

targets=()
for file in tests/fuzz/*.c; do
	name="$(basename "$file" .c)"
	if [ -f "$file" ] && [ "${wanted:-$name}" = "$name" ]; then
		targets+=("$name")
	fi
done
say "targets: ${targets[*]:-none}"
if [ "${#targets[@]}" -eq 0 ]; then
	[ -z "$wanted" ] || { say "there is no tests/fuzz/$wanted.c"; exit 2; }
	exit 0
fi

rm -rf build-fuzz/objects build-fuzz/libfuzzed.a
find src child/libbaton -name '*.c' -print0 | xargs -0 grep -LE '^(int )?main\(' |
	while read -r source; do
		mkdir -p "build-fuzz/objects/$(dirname "$source")"
		printf '%s\n' "$source"
	done |
	xargs -P 2 -I '{}' clang "${flags[@]}" -fsanitize=fuzzer-no-link -c '{}' \
		-o 'build-fuzz/objects/{}.o'
find build-fuzz/objects -name '*.o' -print0 | xargs -0 ar rcs build-fuzz/libfuzzed.a

for name in "${targets[@]}"; do
	corpus=("build-fuzz/corpus/$name")
	mkdir -p "${corpus[0]}"
	[ ! -d "tests/fuzz/corpus/$name" ] || corpus+=("tests/fuzz/corpus/$name")
	clang "${flags[@]}" -fsanitize=fuzzer "tests/fuzz/$name.c" -o "build-fuzz/$name" \
		build-fuzz/libfuzzed.a -Wl,--as-needed -lconfuse -ljansson -lcrypto -lz -lcmocka
	say "runs $name $limit"
	if ! "build-fuzz/$name" "$limit" -print_final_stats=1 \
		-artifact_prefix="build-fuzz/$name-" "${corpus[@]}" >"build-fuzz/$name.log" 2>&1; then
		tail -n 60 "build-fuzz/$name.log" >&2
		say "$name found something: see build-fuzz/$name-*"
		exit 1
	fi
	grep -E 'executed_units|peak_rss' "build-fuzz/$name.log" >&2
done
