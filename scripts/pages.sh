# Sourced by the proofs that do what the book says, behind lib.sh: they take the commands from its pages and type
# them in as they stand there.
#
# A proof says of its reader: in which folder that one is ($reader), what of the commands is another one's
# (as_the_reader_has_it, a filter), and where to look when one fails (look_into_it). $typed is a file for the commands;
# what they have said is in $typed.log.

book=$PWD/docs

# The blocks of a language below a heading of a page, from one to another (all of them if no number is given).
blocks() {
  local page=$1 heading=$2 language=$3 first=${4:-1} last=${5:-${4:-99}}
  awk -v wanted="$heading" -v language="$language" -v first="$first" -v last="$last" '
    /^ *```/ {
      code = !code
      inside = 0
      if (code && here && $0 ~ "```" language "$") inside = ++number >= first && number <= last
      indent = index($0, "`") - 1
      next
    }
    inside { print substr($0, indent + 1); some = 1 }
    !code && /^#+ / { here = (substr($0, index($0, " ") + 1) == wanted) }
    END { exit !some }
  ' "$book/$page.md" || fail "no such block of $language below \"$heading\" in $page.md"
}

# Types in what is on standard input, and came from there.
# shellcheck disable=SC2154  # the proof says them
type_in() {
  local from=$1
  as_the_reader_has_it >"$typed"
  (cd "$reader" && HOME=/root bash -euo pipefail -x "$typed") >"$typed.log" 2>&1 </dev/null || {
    tail -n 25 "$typed.log"
    look_into_it
    fail "$from: see above"
  }
}

# Types in the blocks of the shell, or some of them.
follow() {
  local page=$1 heading=$2 commands
  commands=$(blocks "$page" "$heading" sh "${@:3}") || exit 1
  type_in "$page.md, \"$heading\"" <<<"$commands"
}

# The same of what stands behind `$ ` where a page shows what comes back.
follow_console() {
  local page=$1 heading=$2 commands
  commands=$(blocks "$page" "$heading" console "${@:3}") || exit 1
  type_in "$page.md, \"$heading\"" <<<"$(sed -n 's/^\$ //p' <<<"$commands")"
}

# Whether the last commands have said this.
has_said() { grep -q -e "$1" "$typed.log" || { cat "$typed.log"; fail "nobody has said: $1"; }; }
