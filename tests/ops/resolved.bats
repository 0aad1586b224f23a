#!/usr/bin/env bats
# systemd-resolved with systemd/examples/resolved-mesh.conf: the names of the mesh are discoveryd's,
# the others those of the host's own server. In namespaces of the test's own.

load common

setup() {
  [ "$(id -u)" -eq 0 ] || skip "needs root"
  resolved=${SYSTEMD_RESOLVED:-/lib/systemd/systemd-resolved} resolvectl=${RESOLVECTL:-resolvectl}
  [ -x "$resolved" ] && command -v "$resolvectl" dbus-daemon >/dev/null ||
    skip "needs systemd-resolved: apt-get install systemd-resolved dbus"
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  scratch
  ending=TERM patience=20
  daemon_dirs
  place
  echo 'www.example.com 198.51.100.7' >"$dir/records"
  within dns "$BATS_TEST_DIRNAME/fakes/dns" 192.0.2.1 53 "$dir/records"
  until_true grep -q ready "$dir/dns.log"
  echo 'dns: {}' >"$dir/etc/discoveryd.yaml"
  cat >"$dir/etc/config/shop.yaml" <<'YAML'
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: shop, namespace: demo}
spec:
  hosts: [shop.demo.svc.cluster.local]
  addresses: [203.0.113.9]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
YAML
  for name in configd discoveryd; do within "$name" "$build/$name"; done
}

# Namespaces with a link that has an address, a bus, a user for systemd-resolved, and its stub as
# the resolver. /run is empty there.
place() {
  sed 's/^systemd-resolve:.*//' /etc/passwd >"$dir/passwd"
  echo 'systemd-resolve:x:996:996::/:/usr/sbin/nologin' >>"$dir/passwd"
  sed 's/^systemd-resolve:.*//' /etc/group >"$dir/group"
  echo 'systemd-resolve:x:996:' >>"$dir/group"
  echo 'nameserver 127.0.0.53' >"$dir/resolv.conf"
  echo 'hosts: dns' >"$dir/nsswitch.conf"
  local types=(method_call signal method_return error) type
  {
    echo '<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>'
    echo '<auth>EXTERNAL</auth><policy context="default"><allow user="*"/><allow own="*"/>'
    for type in "${types[@]}"; do echo "<allow send_type=\"$type\"/><allow receive_type=\"$type\"/>"; done
    echo '</policy></busconfig>'
  } >"$dir/dbus.conf"
  # shellcheck disable=SC2016
  launch place unshare --mount --net bash -ec 'dir=$1 conf=$2
    ip link set lo up
    ip link add mesh0 type veth peer name mesh1
    ip link set mesh1 up
    ip addr add 192.0.2.1/24 dev mesh0
    ip link set mesh0 up
    mount -t tmpfs none /run
    mkdir -p /run/dbus /run/systemd/resolve
    chown 996:996 /run/systemd/resolve
    for file in passwd group resolv.conf nsswitch.conf; do mount --bind "$dir/$file" "/etc/$file"; done
    mount -t tmpfs none /etc/systemd
    mkdir /etc/systemd/resolved.conf.d
    cp "$conf" /etc/systemd/resolved.conf.d/mesh.conf
    echo ready
    exec dbus-daemon --config-file="$dir/dbus.conf" --nofork --nopidfile' \
    - "$dir" "$root/systemd/examples/resolved-mesh.conf"
  until_true grep -q . "$dir/place.log"
  grep -q ready "$dir/place.log" || skip "namespaces are not to be had here: $(cat "$dir/place.log")"
  until_true inside test -S /run/dbus/system_bus_socket
  within resolver "$resolved"
  until_true quietly inside "$resolvectl" dns mesh0 192.0.2.1
  inside "$resolvectl" default-route mesh0 yes
}

inside() { nsenter --mount --net --target "$place" "$@"; }
# within NAME COMMAND...: launch there.
within() { launch "$1" nsenter --mount --net --target "$place" "${@:2}"; }

address_of() { inside getent ahostsv4 "$1" | awk 'NR == 1 {print $1}'; }
resolves() { [ "$(address_of "$1")" = "$2" ]; }

@test "names of the mesh are discoveryd's, others the host's server's" {
  until_true resolves shop.demo.svc.cluster.local 203.0.113.9
  until_true resolves www.example.com 198.51.100.7
  # The host's server is asked for none of the mesh.
  grep -q 'question www.example.com' "$dir/dns.log"
  ! grep -q 'cluster.local' "$dir/dns.log"
  # What neither knows is not there.
  run address_of nowhere.demo.svc.cluster.local
  [ -z "$output" ]
  run address_of nowhere.example.com
  [ -z "$output" ]
  # Without discoveryd the others go on.
  inside "$resolvectl" flush-caches
  # shellcheck disable=SC2154
  kill "$discoveryd"
  until_true resolves www.example.com 198.51.100.7
}
