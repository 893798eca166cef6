# Sourced by the proofs that run a database with Patroni, behind lib.sh.

# Earlier ones roll acknowledged sets back where they keep their state by etcd's third API (3.0.2).
wanted="patroni[etcd3]==4.0.7 psycopg2-binary==2.9.10"

# Patroni in a folder that PostgreSQL's user can reach; $PATRONI is its program.
# shellcheck disable=SC2154  # lib.sh says it
make_patroni() {
  local venv=$target/patroni
  install_missing postgresql etcd-server python3-venv
  if [ "$(cat "$venv/wanted" 2>/dev/null)" != "$wanted" ]; then
    say "Making $venv with $wanted"
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    # shellcheck disable=SC2086  # two of them
    "$venv/bin/pip" --quiet --disable-pip-version-check install $wanted
    printf %s "$wanted" >"$venv/wanted"
  fi
  export PATRONI=$venv/bin/patroni
  [ "$(id -u)" != 0 ] || su -s /bin/sh postgres -c "'$PATRONI' --version" >/dev/null ||
    fail "PostgreSQL's user cannot run $PATRONI: set CARGO_TARGET_DIR to a folder that everybody may enter"
}
