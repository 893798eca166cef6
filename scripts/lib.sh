# Sourced by the other scripts: what they share. Debian 12 and 13 are what they know.

# Where cargo puts what it builds, and the scripts what they make.
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

say() { printf '%s\n' "$*" >&2; }
fail() { say "${0##*/}: $*"; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs those of the named packages that are missing; says nothing when none is.
#
# A server so installed must not start, now or at the next boot: the scripts want its program
# only, and a port that it takes may be somebody's.
install_missing() {
  local missing=() package policy=/usr/sbin/policy-rc.d made_policy=
  command -v dpkg-query >/dev/null || fail "this needs Debian, or else: $*"
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  say "Installing ${missing[*]} (no service gets started)"
  if [ ! -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  local status=0
  { as_root apt-get -qq update &&
    as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq -y --no-install-recommends install "${missing[@]}"; } >/dev/null || status=$?
  [ -z "$made_policy" ] || as_root rm -f "$policy"
  [ "$status" = 0 ] || fail "apt-get could not install ${missing[*]}"

  for package in "${missing[@]}"; do
    case $package in
      prosody | ejabberd | prometheus | postgresql)
        as_root systemctl --quiet disable "$package" 2>/dev/null || true ;;
      etcd-server) as_root systemctl --quiet disable etcd 2>/dev/null || true ;;
    esac
  done
}

# Makes a virtual environment with the Python packages that the tests use.
make_venv() {
  local venv=$target/test-venv wanted=tests/clients/requirements.txt
  cmp -s "$wanted" "$venv/requirements.txt" && return 0
  say "Making $venv with $(grep -o '^slixmpp.*' "$wanted")"
  rm -rf "$venv"
  /usr/bin/python3 -m venv "$venv"
  "$venv/bin/pip" --quiet --disable-pip-version-check install --requirement "$wanted"
  cp "$wanted" "$venv/"
}

# The mirror that apt is set up with: of the lists it knows, Debian's own; with `-security` the one of security updates.
debian_mirror() {
  local which=(grep -e "${1-}")
  [ -n "${1-}" ] || which=(grep -v -e -security)
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | "${which[@]}" | head -n 1
}

# Makes the smallest Debian of that release in a folder; further arguments go to debootstrap.
make_debian() {
  local release=$1 folder=$2
  shift 2
  install_missing debootstrap
  rm -rf --one-file-system "$folder" "$folder.part"
  debootstrap --variant=minbase "$@" "$release" "$folder.part" "$(debian_mirror)" >"$folder.log" 2>&1 ||
    fail "debootstrap failed: $(tail -n 3 "$folder.log")"
  mv "$folder.part" "$folder"
}

# Has a command run when the script ends, however it does. A Ctrl-C ends it even where a program has taken that for
# a wish to end well, as a booted system does.
when_it_ends() {
  # shellcheck disable=SC2064  # the command as it is now
  trap "$1" EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

# Lets go of what a script has mounted, even if somebody is in there still.
unmount() {
  ! mountpoint -q "$1" || umount "$1" 2>/dev/null || umount --lazy "$1" || say "$1 is still mounted"
}

# Makes a Debian that can be booted in a folder (once; a minute or two), with packages of a suite. Servers among them
# wait to be started. What a failure leaves in FOLDER.base is the caller's to clear away: clear_bootable does.
make_bootable() {
  local folder=$1 suite=$2
  shift 2
  [ ! -d "$folder" ] || return 0
  say "Making a Debian with $* of $suite in $folder"
  make_debian "${suite%-backports}" "$folder.base" --include=systemd,systemd-sysv,dbus
  printf '#!/bin/sh\nexit 101\n' >"$folder.base/usr/sbin/policy-rc.d"
  chmod 755 "$folder.base/usr/sbin/policy-rc.d"
  printf 'deb %s %s main\n' "$(debian_mirror)" "$suite" >"$folder.base/etc/apt/sources.list.d/servers.list"
  mount -t proc proc "$folder.base/proc"
  { enter "$folder.base" apt-get -qq update &&
    enter "$folder.base" apt-get -qq -y --no-install-recommends -t "$suite" install "$@"
  } >>"$folder.base.log" 2>&1 || fail "apt-get failed: $(tail -n 3 "$folder.base.log")"
  local server
  for server in prosody ejabberd; do
    enter "$folder.base" systemctl --quiet disable "$server" 2>/dev/null || true
  done
  unmount "$folder.base/proc"
  rm "$folder.base/usr/sbin/policy-rc.d"
  mv "$folder.base" "$folder"
}

clear_bootable() {
  unmount "$1.base/proc"
  rm -rf --one-file-system "$1.base" "$1.base.part" || true
}

# Runs a command in the system that stands in a folder.
enter() {
  local folder=$1
  shift
  LC_ALL=C DEBIAN_FRONTEND=noninteractive chroot "$folder" "$@"
}

# Makes a small Debian 13 in a folder (once; about a minute) and installs the servers that the
# tests use there, newer ones if that is trixie-backports. It stays entered, with /proc, until
# the script ends.
enter_debian13() {
  local folder=$1 suite=$2
  [ "$(id -u)" = 0 ] || fail "this needs root: it makes a system in a folder and enters it"
  if [ ! -d "$folder" ]; then
    say "Making a Debian 13 in $folder"
    make_debian trixie "$folder"
  fi

  when_it_ends "unmount '$folder/proc'"
  mount -t proc proc "$folder/proc"
  enter "$folder" dpkg-query -W prosody prosody-modules ejabberd >/dev/null 2>&1 && return 0

  say "Installing its Prosody and ejabberd"
  printf '#!/bin/sh\nexit 101\n' >"$folder/usr/sbin/policy-rc.d"
  chmod 755 "$folder/usr/sbin/policy-rc.d"
  printf 'deb %s %s main\n' "$(debian_mirror)" "$suite" >"$folder/etc/apt/sources.list.d/servers.list"
  { enter "$folder" apt-get -qq update &&
    enter "$folder" apt-get -qq -y --no-install-recommends -t "$suite" \
      install prosody prosody-modules ejabberd
  } >>"$folder.log" 2>&1 || fail "apt-get failed: $(tail -n 3 "$folder.log")"
}

# Boots the system that stands in a folder with systemd in a container, with all changes in memory, and
# runs a command there once it is up: what it prints goes to WORK/result, and its exit code is this one's.
# WORK is /proof there, with this checkout's scripts/ and docs/ in it.
boot_and_run() {
  local root=$1 work=$2
  shift 2
  cat >"$root/etc/systemd/system/proof.service" <<END
[Unit]
After=multi-user.target
SuccessAction=exit
FailureAction=exit
SuccessActionExitStatus=0
FailureActionExitStatus=1
[Service]
Type=oneshot
ExecStart=$*
StandardOutput=append:/proof/result
StandardError=append:/proof/result
TimeoutStartSec=10min
END
  mkdir -p "$root/etc/systemd/system/default.target.wants" "$root/proof" "$work/scripts" "$work/docs"
  ln -sf ../proof.service "$root/etc/systemd/system/default.target.wants/proof.service"
  # Container managers want a /run that a reboot would empty, which not every machine has.
  # shellcheck disable=SC2016  # it is the inner shell's to fill in
  unshare --mount --pid --fork --kill-child --mount-proc bash -ec '
    mount -t tmpfs tmpfs /run
    exec systemd-nspawn --quiet --keep-unit --register=no --private-network --hostname localhost --volatile=overlay --boot \
      --directory "$1" --bind "$2:/proof" --bind-ro "$3/scripts:/proof/scripts" --bind-ro "$3/docs:/proof/docs"
  ' boot "$root" "$work" "$PWD" >"$root.boot.log" 2>&1 </dev/null
}

# Says which servers are in a folder's system.
say_servers() {
  say "Tested with Debian $(cat "$1/etc/debian_version"):"
  enter "$1" dpkg-query -W -f '  ${Package} ${Version}\n' prosody prosody-modules ejabberd >&2
}

# Puts `cargo NAME` at hand: the one that is installed, or one made under target/.
cargo_tool() {
  tool "cargo-$1"
}

# The same of any program that cargo can make. Further arguments go to `cargo install`.
tool() {
  local tools=$target/tools
  PATH=$PATH:$tools/bin
  command -v "$1" >/dev/null && return 0
  say "Making $1 (some minutes)"
  CARGO_TARGET_DIR=$tools/target cargo install --quiet --locked --root "$tools" "$@"
  rm -rf "$tools/target"
}

# A proof in chunks, each with a seed of its own that follows from one:
#
#   in_chunks NAME UNIT TOTAL SIZE SEED COMMAND...      calls COMMAND... SEED COUNT, for each
#
# For each, $target/proofs/NAME.log gets a line: when, of which commit, which chunk, and what came of
# it: the last `report: ` of the command. Begun again, it goes on where it stopped: what that log says
# was done, of this very commit and by this seed, is not done again. What a chunk that fails has said
# is kept beside the log. Without a seed it takes one that follows from the commit.
in_chunks() {
  local name=$1 unit=$2 total=$3 size=$4 seed=$5 commit
  shift 5
  commit=$(this_commit)
  seed=${seed:-$((16#${commit:0:7}))}
  is_number "$total" && [ "$total" -gt 0 ] && [ ${#total} -le 12 ] || fail "how many $unit? $total is no number of them"
  is_number "$seed" && [ ${#seed} -le 12 ] || fail "a seed is a number of up to 12 digits: $seed"
  total=$((10#$total)) seed=$((10#$seed))

  local folder=$target/proofs
  local log=$folder/$name.log chunks=$(((total + size - 1) / size)) skipped=0
  mkdir -p "$folder"
  exec {only_one}>>"$log"
  flock --nonblock "$only_one" || fail "another one writes to $log"
  say "$name: $total $unit in $chunks chunks, seed $seed, commit $commit; see $log"

  local number
  for ((number = 1; number <= chunks; number++)); do
    local count=$((number < chunks ? size : total - size * (chunks - 1)))
    local chunk="commit=$commit seed=$seed chunk=$number chunk_seed=$((seed * 1009 + number)) $unit=$count"
    if [[ $commit != *-changed ]] && grep -qF "$chunk ok: " "$log"; then
      skipped=$((skipped + 1))
      continue
    fi
    [ "$(this_commit)" = "$commit" ] || fail "the checkout has changed; what is done of $commit stays in $log"
    one_chunk "$chunk" "$folder/$name-$seed-$number.out" "$log" "$@" $((seed * 1009 + number)) "$count"
  done
  say "$name: all $total $unit hold$([ "$skipped" = 0 ] || echo "; $skipped chunks were done before")"
}

one_chunk() {
  local chunk=$1 out=$2 log=$3 status=0 report
  shift 3
  "$@" >"$out" 2>&1 </dev/null || status=$?
  report=$(sed -n 's/^.*report: //p' "$out" | tail -n 1)
  if [ "$status" = 0 ] && [ -n "$report" ]; then
    printf '%s %s ok: %s\n' "$(date -u +%FT%TZ)" "$chunk" "$report" | tee -a "$log" >&2
    rm -f "$out"
    return 0
  fi
  printf '%s %s FAILED: see %s\n' "$(date -u +%FT%TZ)" "$chunk" "$out" | tee -a "$log" >&2
  tail -n 25 "$out" >&2
  fail "a chunk failed, as above and in $out. To repeat it: scripts/${0##*/} --chunk ${*:2}"
}

is_number() { [[ $1 =~ ^[0-9]+$ ]]; }

# The commit that is checked out, and whether anything of it was changed.
this_commit() {
  local commit
  commit=$(git rev-parse --short=12 HEAD) || fail "a proof notes its commit, and this is no checkout"
  git diff --quiet HEAD -- || commit+=-changed
  printf %s "$commit"
}

# The version that Cargo.toml has.
version() { sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1; }

# Debian's name for this machine's processors.
this_architecture() {
  case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) fail "there are packages for x86-64 and for ARM of 64 bits, not for $(uname -m)" ;;
  esac
}

# Rust's name for what Debian calls amd64 or arm64.
triple_of() {
  case $1 in
    amd64) echo x86_64-unknown-linux-gnu ;;
    arm64) echo aarch64-unknown-linux-gnu ;;
    *) fail "an architecture is amd64 or arm64: $1" ;;
  esac
}

# When what is made says that it was made: by SOURCE_DATE_EPOCH, or when the commit was.
source_date() {
  printf %s "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)}"
}

# Packs what is in a folder: the same files make the same bytes. Further arguments go to tar.
pack() {
  local folder=$1
  shift
  tar -C "$folder" --format=gnu --sort=name --mtime="@$(source_date)" --numeric-owner --owner=0 --group=0 "$@"
}

# Downloads packages of a Debian, with all that they need, without a word to this machine's dpkg, and unpacks
# them into a folder. They may be of other architectures than this machine: PACKAGE:ARCHITECTURE.
#
#   debian_files RELEASE FOLDER PACKAGE...    RELEASE may be several, separated by commas, and the last one wins
debian_files() {
  local releases=$1 folder=$2 release security
  shift 2
  rm -rf "$folder.part"
  mkdir -p "$folder.part/apt/lists/partial" "$folder.part/apt/cache/archives/partial" "$folder.part/files"
  : >"$folder.part/apt/status"
  # It knows no mirror's origin before its first update.
  [ -n "$(debian_mirror || true)" ] || as_root apt-get -qq update
  security=$(debian_mirror -security || true)
  for release in ${releases//,/ }; do
    printf 'deb %s %s main\n' "$(debian_mirror)" "$release"
    [ -z "$security" ] || [[ $release == *-* ]] || printf 'deb %s %s-security main\n' "$security" "$release"
  done >"$folder.part/apt/sources.list"
  local options=(
    -o "Dir::Etc::SourceList=$folder.part/apt/sources.list" -o Dir::Etc::SourceParts=- -o Dir::Etc::Preferences=-
    -o "Dir::State::Lists=$folder.part/apt/lists" -o "Dir::State::Status=$folder.part/apt/status"
    -o "Dir::Cache=$folder.part/apt/cache" -o APT::Architectures::=amd64 -o APT::Architectures::=arm64
    -o APT::Sandbox::User= -o Debug::NoLocking=1
  )
  # Backports are taken only when named; a release that is named would win over its own security updates.
  [[ $releases != *,* ]] || options+=(-o "APT::Default-Release=${releases##*,}")
  { apt-get -qq "${options[@]}" update &&
    apt-get -qq -y "${options[@]}" --no-install-recommends --download-only install "$@"
  } >"$folder.log" 2>&1 || fail "apt-get could not download $*: $(tail -n 3 "$folder.log")"
  local package
  for package in "$folder.part"/apt/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$folder.part/files"
  done
  mv "$folder.part/apt/cache/archives" "$folder.part/debs"
  rm -rf "$folder" "$folder.part/apt"
  mv "$folder.part" "$folder"
}
