#!/bin/sh
# The demo's story, as a reader would run it: every outcome as it is told, the right files and lines named, and
# without colours where nobody sees them. The story itself compares what it prints with the databases.
# Usage: tests/demo/story.sh [BUILD], where BUILD is the directory with formsave and story.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:-${CARGO_TARGET_DIR:-target}/release/demo}
ini=php.ini.example
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
failed=0
fail() { echo "story.sh: $*" >&2; failed=1; }

"$build/story" "$build/formsave" "$ini" examples/httpd.conf examples/site > "$out" 2>&1 || fail "the story ended with $?"

# The README's picture shows what the story tells now; `make recording` draws it anew.
told() { sed -E 's/[0-9.]+ s( |$)/_/g' | grep -E '[A-D-] [A-D-] [A-D-] [A-D-] '; }
told < "$out" > "$out.told"
sed -E 's/<[^>]*>//g' docs/demo.svg | told | diff "$out.told" - >&2 || fail "docs/demo.svg shows another story"
rm -f "$out.told"

# A line of the story: the words that it begins with, then tables, ending and the directive that decided.
expect() {
    line=$(grep -F "$1" "$out") || { fail "no line for: $1"; return; }
    case $line in
    *" $2 "*"$3 "*" $4") ;;
    *) fail "expected: $1 | $2 | $3 | $4"; fail "   found: $line" ;;
    esac
    # The named line of the named file says so.
    place=$(echo "$line" | grep -oE '[^ ]+:[0-9]+ ' | tr -d ' ')
    directive=${4%% =*}
    test -n "$place" || { fail "no file and line: $line"; return; }
    sed -n "${place##*:}p" "${place%:*}" | grep -qF "$directive" || fail "$place says nothing of $directive"
}
expect 'as PHP:'                 'A B - -' ABORTED    'ignore_user_abort = 0'
expect 'ignore_user_abort off:'  'A B - -' ABORTED    'ignore_user_abort = 0'
expect 'ignore_user_abort on:'   'A B C D' COMPLETED  'ignore_user_abort = on'
expect 'on, locked for a'        'A B C D' COMPLETED  'ignore_user_abort = on'
expect 'GET stops'               'A B - -' ABORTED    'outlive.disconnect = auto'
expect 'POST finishes'           'A B C D' COMPLETED  'outlive.disconnect = auto'
expect 'not inside a hold'       'A B C D' ABORTED    'formsave.hold = on'
expect 'accepted; the server'   'A B C D' FINISHED   'outlive.accept = on'
expect 'a limit of 1 s'          'A B - -' TIME_LIMIT 'max_execution_time = 1'

escape=$(printf '\033')
grep -q "$escape" "$out" && fail 'colours in a file'

# A story that goes wrong must say so: with a php.ini that always finishes, the rows that stop are wrong.
wrong=$(mktemp) || exit 1
echo 'outlive.disconnect = finish' > "$wrong"
"$build/story" "$build/formsave" "$wrong" examples/httpd.conf examples/site > "$out.2" 2>&1 &&
    fail 'a story with other outcomes is taken for right'
grep -q 'expected: AB written' "$out.2" || fail 'a wrong outcome is not shown'
rm -f "$wrong" "$out.2"

if test "$failed" -ne 0; then
    cat "$out" >&2
    exit 1
fi
echo 'story.sh: all 9 outcomes as told'
