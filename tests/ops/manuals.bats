#!/usr/bin/env bats
# Every program has a manual page that says all its options and settings.

bats_require_minimum_version 1.5.0

setup() {
  build=$(realpath "${MESH_BUILD:-build}")
  cd "$BATS_TEST_DIRNAME/../.." || return
  command -v mandoc >/dev/null || skip "no mandoc here"
}

# The details that the forwarder's sources give an answer, or the end of a connection: the first
# text in a call that ends it, what is assigned to a member of that name, the table of failures.
details_of_sources() {
  cat lib/forward/*.cc lib/forward/filter/*.cc lib/authz/rules.h | tr '\n' ' ' |
    grep -oP '(\b(reply|give_up|fail_midway|refuse|try_timed_out)\([^;"]*|details_? = |return \{|kDeniedByNone = |AttemptFailure::Kind::\w+, Flag::\w+,\s*)"\K[a-z_]+(\{\w+\}|\[\w+\])?(?=")' |
    sed 's/\[none\]/[NAME]/' | sort -u
}
# The same of mesh-metrics(7).
details_of_page() {
  sed -n '/^\.Sh ANSWERS OF THE FORWARDER/,/^\.Sh ACCESS LOG/p' man/mesh-metrics.7 |
    sed -nE 's/^\.It [^A].* Ta ([a-z].*)$/\1/p
      s/^\.It [^A].* Ta (\{.*\})$/upstream_reset_before_response_started\1/p; s/^\.Li ([a-z_]+)( [.,;])?$/\1/p' | sort -u
}

daemons=(certd configd discoveryd statsd forwarder)

page() { mandoc -T ascii "man/$1" | sed 's/.\x08//g'; }

# missing_options PAGE <HELP: the options of the help text that the page has not.
missing_options() {
  local text option missing=0
  text=$(page "$1")
  while read -r option; do
    grep -qE -- "(^|[^-a-z])$option([^-a-z]|\$)" <<<"$text" ||
      { echo "$1: $option is in --help, not in the page"; missing=1; }
  done < <(sed -nE 's/^ +((-[a-z], )?--[a-z][a-z-]*).*/\1/p' | tr -d ' ' | tr , '\n' | sort -u)
  return "$missing"
}

@test "what must have a page has one, and all are clean" {
  for name in mesh.1 mesh-analyze.1 mesh-authorization.7 mesh-config.5 mesh-bus.7 mesh-envoy.7 mesh-etcd.7 \
    mesh-metrics.7 mesh-operations.7 mesh-routing.7 \
    "${daemons[@]/%/.8}"; do
    [ -s "man/$name" ] || { echo "no man/$name"; return 1; }
    run mandoc -T lint -W warning "man/$name"
    [ -z "$(grep -v 'referenced manual not found' <<<"$output")" ] || { echo "$output"; return 1; }
    section=${name##*.}
    grep -q "^\.Dt ${name%.*} $section\$" <<<"$(sed '/^\.Dt/s/.*/\L&/; s/^\.dt/.Dt/' "man/$name")"
  done
}

@test "every page fits 80 columns, its tables and heads too" {
  local name
  for name in man/*; do
    page "${name#man/}" >"$BATS_TEST_TMPDIR/page"
    ! grep -nE '.{81}' "$BATS_TEST_TMPDIR/page" || { echo "$name"; return 1; }
  done
  # A first cell that is wider than its column moves the rest of its row, or breaks it off.
  run awk '/^\.Bl -column "/ { split($0, part, "\""); width = length(part[2]) }
    /^\.El/ { width = 0 }
    width && /^\.It / { cell = substr($0, 5); sub(/ Ta .*/, "", cell); sub(/^(Em|Li) /, "", cell)
      if (length(cell) > width) print FILENAME ": " cell }' man/*
  [ -z "$output" ] || { echo "$output"; return 1; }
  # A head that begins with a word which is a macro of mdoc(7) without being meant so.
  run grep -nE '^\.It (Ad|An|Ap|At|Bo|Do|En|Er|Es|Fr|In|Lb|Ms|No|Of|Ot|So|St|Ta|Tn) ' man/*
  [ -z "$output" ] || { echo "$output"; return 1; }
}

# example PAGE: its EXAMPLES run as they stand, in a directory of their own; $output is what they
# print. Ports are free ones.
example() {
  local free
  free=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  {
    # What is still there when a command fails must not outlive the test.
    echo "trap 'kill \$(jobs -p) 2>/dev/null || :' EXIT"
    sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE ALSO/{/^[^.]/p}' "man/$1" | grep -v ':$' |
      sed "s/127\.0\.0\.1:15020/127.0.0.1:$free/"
  } >"$BATS_TEST_TMPDIR/example"
  cd "$BATS_TEST_TMPDIR" || return
  export PATH=$build:$PATH MESH_USER=${MESH_USER:-$(id -un)}
  run timeout 60 bash -eu example 3>&-
  echo "$output"
  [ "$status" -eq 0 ]
}

@test "the examples of certd(8) run as they stand" {
  example certd.8
  [[ $output == *"web/svid.crt: OK"* ]]
  [[ $output == *spiffe://cluster.local/ns/default/sa/web*mesh-cert* ]]
}

@test "the examples of configd(8) run as they stand" {
  printf 'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: demo}\nspec: {mtls: {mode: STRICT}}\n' \
    >"$BATS_TEST_TMPDIR/reviews.yaml"
  example configd.8
  [[ $output == *"PeerAuthentication/demo/default created"* ]]
  [[ $output == *"PeerAuthentication  demo       default"* ]]
}

@test "the examples of statsd(8) run as they stand" {
  example statsd.8
  [[ $output == *"istio_requests_total"* ]]
}

@test "a page refers to no page of ours that is not there" {
  while read -r name section; do
    [ -e "man/$name.$section" ] || { echo "no man/$name.$section"; return 1; }
  done < <(sed -nE 's/^\.Xr ((mesh[a-z-]*|certd|configd|discoveryd|statsd|forwarder) [0-9]).*/\1/p' man/* | sort -u)
}

@test "all options of the daemons are in their pages" {
  for daemon in "${daemons[@]}"; do
    [ -x "$build/$daemon" ]
    "$build/$daemon" --help | missing_options "$daemon.8"
  done
}

@test "all commands of mesh, and all their options, are in mesh(1)" {
  local text
  text=$(page mesh.1)
  for command in $("$build/mesh" help | awk '/^  [a-z]/{print $1}'); do
    grep -qE "^ +.*\b$command\b" <<<"$text" || { echo "mesh $command is not in the page"; return 1; }
    "$build/mesh" help "$command" | missing_options mesh.1
  done
  for word in $("$build/mesh" help cert | sed -n '/^usage:/{n;p;}' | grep -oE '\b[a-z]+\b'); do
    grep -qE "^ +cert $word\b" <<<"$text" || { echo "mesh cert $word is not in the page"; return 1; }
  done
}

@test "the details of answers that the forwarder gives are those of mesh-metrics(7)" {
  [ "$(details_of_sources | wc -l)" -gt 30 ]
  diff -u <(details_of_page) <(details_of_sources)
}

@test "what is counted of a cluster is in mesh-metrics(7)" {
  counted() { sed -nE '/kNames = /,/^};/s/^ +"([a-z0-9_]+)",$/\1/p' lib/upstream/stats.cc; }
  [ "$(counted | wc -l)" -gt 30 ]
  diff -u <(counted | sort) <(sed -n '/^\.It Li envoy_cluster_upstream_\*/,/^\.It Li mesh_circuit/p' man/mesh-metrics.7 |
    grep '^\.Li' | grep -oE '(upstream|retry)_[a-z0-9_]+' | sort)
}

@test "all settings are in the pages, and in the examples" {
  for daemon in "${daemons[@]}"; do
    while read -r field; do
      grep -qw -- "$field" <<<"$(page "$daemon.8")" ||
        { echo "$daemon.8: the setting $field is not in the page"; return 1; }
      grep -qw -- "$field" "etc/$daemon.yaml" ||
        { echo "etc/$daemon.yaml: the setting $field is not in the example"; return 1; }
    done < <(sed -nE 's/^ +(optional |repeated )?[A-Za-z0-9_.<>, ]+ ([a-z_]+) = [0-9]+;.*/\2/p' \
      "lib/api/mesh/settings_$daemon.proto")
  done
}

@test "the examples are right, as they stand and with everything in them switched on" {
  for daemon in "${daemons[@]}"; do
    "$build/$daemon" -n -c "etc/$daemon.yaml"
    # Prose has a capital or more than one word before its colon; a setting has not.
    sed -E 's/^# ?(- \{|[a-z_]+:( |$)|  +[a-z_]+:)/\1/' "etc/$daemon.yaml" >"$BATS_TEST_TMPDIR/$daemon.yaml"
    run diff -q "etc/$daemon.yaml" "$BATS_TEST_TMPDIR/$daemon.yaml"
    [ "$status" -eq 1 ]
    "$build/$daemon" -n -c "$BATS_TEST_TMPDIR/$daemon.yaml"
  done
}

@test "an unknown setting is refused with its place, by every daemon" {
  for daemon in "${daemons[@]}"; do
    { cat "etc/$daemon.yaml"; echo "no_such_setting: 1"; } >"$BATS_TEST_TMPDIR/$daemon.yaml"
    run "$build/$daemon" -n -c "$BATS_TEST_TMPDIR/$daemon.yaml"
    [ "$status" -eq 78 ]
    [[ $output == *"$daemon.yaml:"*no_such_setting* ]]
  done
}

@test "a value out of range is refused with its line, column and name, by every daemon" {
  local daemon value field
  while read -r daemon field value; do
    printf '# settings\n%s: %s\n' "$field" "$value" >"$BATS_TEST_TMPDIR/$daemon.yaml"
    run "$build/$daemon" -n -c "$BATS_TEST_TMPDIR/$daemon.yaml"
    [[ $status -eq 78 && $output == *"$daemon.yaml:2:1: $field: "* ]] ||
      { echo "$daemon: $field: $status: $output"; return 1; }
  done <<'END'
certd leaf_lifetime 800h
certd leafLifetime 800h
configd settle 100s
configd generations_max 10001
configd generationsMax 10001
discoveryd registrations_max 1000001
discoveryd host_lease 1s
discoveryd hostLease 2h
statsd series_max 1000001
statsd prometheus nonsense
forwarder concurrency 65
forwarder request_facts_max 100001
END
  echo 'dns: {listen: foo}' >"$BATS_TEST_TMPDIR/discoveryd.yaml"
  run "$build/discoveryd" -n -c "$BATS_TEST_TMPDIR/discoveryd.yaml"
  [ "$status" -eq 78 ]
  [[ $output == *"discoveryd.yaml:1:7: dns.listen: expected ADDRESS:PORT"* ]]
}
