"""A mesh of one service, for what idle daemons take."""


def write(root):
    """A mesh directory with one service, for the memory of idle daemons."""
    (root / "config").mkdir(parents=True)
    (root / "forwarders").mkdir()
    (root / "config/echo.yaml").write_text("""\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: echo, namespace: default}
spec:
  hosts: [echo]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: echo}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: echo-1, namespace: default}
spec:
  address: 127.0.0.1
  ports: {http: 18090}
  labels: {app: echo, version: v1}
  serviceAccount: echo
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: echo, namespace: default}
spec:
  workloadSelector: {labels: {app: echo}}
  ingress:
  - port: {number: 18090, protocol: HTTP, name: http}
    defaultEndpoint: 127.0.0.1:18080
""")
    (root / "forwarders/echo-1.yaml").write_text("""\
workload: echo-1
namespace: default
service_account: echo
labels: {app: echo, version: v1}
outbound: 127.0.0.1:18091
admin: 127.0.0.1:18092
concurrency: 1
""")
