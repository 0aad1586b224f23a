#!/usr/bin/env bats
# make install: everything lands below PREFIX, and the units name it.

setup() {
  build=$(realpath "${MESH_BUILD:-build}")
  root=$(realpath "$BATS_TEST_DIRNAME/../..")
  dest=$BATS_TEST_TMPDIR/dest
  for program in mesh certd configd discoveryd statsd forwarder; do
    [ -x "$build/$program" ] || { echo "$program is not built"; return 1; }
  done
}

@test "install puts programs, units, manuals and completion below PREFIX, twice over" {
  for _ in 1 2; do
    run "$root/contrib/install-files" "$build" "$dest" /opt/mesh
    [ "$status" -eq 0 ]
    [ -z "$output" ]
  done
  [ -x "$dest/opt/mesh/bin/mesh" ]
  for daemon in certd configd discoveryd statsd forwarder; do
    [ -x "$dest/opt/mesh/libexec/mesh/$daemon" ]
  done
  for unit in mesh-{certd,configd,discoveryd,statsd}.service mesh-forwarder@.service; do
    file=$dest/opt/mesh/lib/systemd/system/$unit
    grep -q '^ExecStart=/opt/mesh/libexec/mesh/' "$file"
    ! grep -q '/usr/libexec/mesh' "$file"
    [ "$(stat -c %a "$file")" = 644 ]
  done
  [ -e "$dest/opt/mesh/lib/systemd/system/mesh.target" ]
  [ -e "$dest/opt/mesh/share/man/man1/mesh.1" ]
  [ -e "$dest/opt/mesh/lib/sysusers.d/mesh.conf" ]
  [ -e "$dest/opt/mesh/lib/tmpfiles.d/mesh.conf" ]
  bash -n "$dest/opt/mesh/share/bash-completion/completions/mesh"
}

@test "the whole list of files, with their modes" {
  make --no-print-directory -C "$root" -o all install B="$build" DESTDIR="$dest" PREFIX=/usr
  expected() {
    local name
    echo "755 bin/mesh"
    for name in certd configd discoveryd forwarder statsd; do
      echo "755 libexec/mesh/$name"
      echo "644 share/doc/mesh/examples/$name.yaml"
    done
    for name in mesh-{certd,configd,discoveryd,statsd}.service mesh-forwarder@.service mesh.target; do
      echo "644 lib/systemd/system/$name"
    done
    echo "644 share/doc/mesh/examples/bootstrap.yaml"
    echo "644 lib/sysusers.d/mesh.conf"
    echo "644 lib/tmpfiles.d/mesh.conf"
    echo "644 share/doc/mesh/examples/mesh-forwarder@reviews.service.d-life.conf"
    echo "644 share/doc/mesh/examples/resolved-mesh.conf"
    for name in "$root"/man/*; do
      echo "644 share/man/man${name##*.}/${name##*/}"
    done
    echo "644 share/bash-completion/completions/mesh"
    echo "644 share/zsh/site-functions/_mesh"
  }
  cd "$dest"
  diff <(expected | sort) <(find . -type f -printf '%m %P\n' | sed 's| usr/| |' | sort)
  # Nobody but the owner may write, and all may read.
  [ -z "$(find . -perm /022)" ]
  [ -z "$(find . ! -perm -444)" ]
}

@test "the installed units are such as systemd takes" {
  command -v systemd-analyze >/dev/null || skip "no systemd-analyze here"
  "$root/contrib/install-files" "$build" "$dest" /usr
  units=$dest/usr/lib/systemd/system
  # Where the programs are now; the units name where they will be.
  sed -i "s|=/usr/libexec/mesh/|=$dest/usr/libexec/mesh/|" "$units"/*.service
  dropin=$units/mesh-forwarder@reviews.service.d
  mkdir "$dropin"
  cp "$dest/usr/share/doc/mesh/examples/mesh-forwarder@reviews.service.d-life.conf" "$dropin/life.conf"
  printf '[Service]\nExecStart=/bin/true\n' >"$units/reviews.service"
  for unit in "$units"/*.service "$units/mesh.target"; do
    unit=${unit/@./@reviews.}
    run env SYSTEMD_UNIT_PATH="$units:" systemd-analyze verify --man=no "$unit"
    ! grep mesh <<<"$output" || return 1
  done
}

@test "what is installed finds its daemons" {
  "$root/contrib/install-files" "$build" "$dest" /usr
  mkdir -p "$BATS_TEST_TMPDIR/m/forwarders"
  echo "unknownKey: 1" >"$BATS_TEST_TMPDIR/m/certd.yaml"
  run "$dest/usr/bin/mesh" up "$BATS_TEST_TMPDIR/m" 3>&-
  [ "$status" -eq 78 ]
  [[ $output == *"certd does not come up: exit status 78"*"certd.yaml:1:1"*unknownKey* ]]
}

@test "the units' users and directories are such as systemd takes" {
  command -v systemd-sysusers >/dev/null || skip "no systemd-sysusers here"
  run systemd-sysusers --dry-run "$root/systemd/sysusers.d/mesh.conf"
  [ "$status" -eq 0 ]
  [[ $output != *"ignoring"* ]]
}
