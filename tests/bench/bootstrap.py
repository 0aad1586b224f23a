"""The Envoy bootstrap that the forwarder and Envoy read alike, for each case."""

ROUTES = 1000  # of the case with everything on


def _tls_files(folder):
    return f"""
              - certificate_chain: {{filename: {folder}/cert.pem}}
                private_key: {{filename: {folder}/key.pem}}
            validation_context: {{trusted_ca: {{filename: {folder}/ca.pem}}}}"""


TLS13 = "{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}"


def _routes(name, cluster, full):
    text = f"""
            name: {name}
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:"""
    if full:
        for i in range(ROUTES - 1):
            text += f"""
              - match: {{prefix: "/service/{i:04}/"}}
                route: {{cluster: {cluster}}}"""
    return text + f"""
              - match: {{prefix: "/"}}
                route: {{cluster: {cluster}}}"""


RATE_LIMIT = """
          - name: envoy.filters.http.local_ratelimit
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: bench
              token_bucket: {max_tokens: 100000000, tokens_per_fill: 100000000, fill_interval: 1s}
              filter_enabled: {default_value: {numerator: 100, denominator: HUNDRED}}
              filter_enforced: {default_value: {numerator: 100, denominator: HUNDRED}}"""

ACCESS_LOG = """
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: {path}"""


def _http(name, cluster, full, folder):
    return f"""
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: {name}
          codec_type: AUTO
          generate_request_id: {"true" if full else "false"}{
              ACCESS_LOG.format(path=folder / f"access-{name}.log") if full else ""}
          route_config:{_routes(name, cluster, full)}
          http_filters:{RATE_LIMIT if full else ""}
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"""


def _tcp(name, cluster):
    return f"""
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: {name}
          cluster: {cluster}"""


def listener(name, port, cluster, tls=None, tcp=False, full=False, folder=None):
    """A static listener that sends everything to one cluster."""
    text = f"""
  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:{_tcp(name, cluster) if tcp else _http(name, cluster, full, folder)}"""
    if tls:
        text += f"""
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_params: {TLS13}
            tls_certificates:{_tls_files(tls)}"""
    return text + "\n"


def cluster(name, port, tls=None, h2=False):
    text = f"""
  - name: {name}
    type: STATIC
    connect_timeout: 5s
    circuit_breakers: {{thresholds: [{{max_connections: 100000, max_pending_requests: 100000, max_requests: 100000}}]}}
    load_assignment:
      cluster_name: {name}
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}"""
    if h2:
        text += """
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}"""
    if tls:
        text += f"""
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          sni: bench
          common_tls_context:
            alpn_protocols: [{"h2" if h2 else "http/1.1"}]
            tls_params: {TLS13}
            tls_certificates:{_tls_files(tls)}"""
    return text + "\n"


def document(listener_text, cluster_text):
    return f"static_resources:\n  listeners:{listener_text}  clusters:{cluster_text}"
