"""The table of differential.py: configurations, and requests that both proxies must answer alike.

Each row of ROUTING is a service of its own: a name, what its VirtualService says (`http`, Istio's
YAML), what its DestinationRule says besides subsets v1 and v2 (`policy`), and requests. Its
backends are v1 and v2 unless it says otherwise, and "other" is a second service. Rows of ACCESS are
AuthorizationPolicies of one workload, each under a path of its own; it takes tokens of the issuer
"tests". Rows of CLAIMS are hosts of a gateway that takes them too.
"""


def get(path="/", method="GET", body=None, n=1, **headers):
    """A request; headers by name with _ for -, `n` times."""
    return {"method": method, "path": path, "body": body, "n": n,
            "headers": {k.replace("_", "-"): v for k, v in headers.items()}}


TO_V1 = "route: [{destination: {host: HOST, subset: v1}}]"
TO_V2 = "route: [{destination: {host: HOST, subset: v2}}]"


def match(condition, *requests):
    """What matches goes to v1, the rest to v2."""
    return {"http": f"[{{match: [{condition}], {TO_V1}}}, {{{TO_V2}}}]", "requests": requests}


def rule(fields, *requests):
    """One rule to v1."""
    return {"http": f"[{{{fields}, {TO_V1}}}]", "requests": requests}


def only(fields, *requests):
    """One rule that has no route."""
    return {"http": f"[{{{fields}}}]", "requests": requests}


ROUTING = {
    # ---- What matches
    "exact": match("{uri: {exact: /a}}", get("/a"), get("/a/"), get("/A"), get("/a?x=1"), get("/ab")),
    "prefix": match("{uri: {prefix: /a}}", get("/a"), get("/abc"), get("/b"), get("/a/b?c"), get("/A")),
    "prefix-slash": match("{uri: {prefix: /a/}}", get("/a"), get("/a/"), get("/a/b")),
    "regex": match('{uri: {regex: "/v[0-9]+/.*"}}', get("/v1/x"), get("/v12/"), get("/v/x"), get("/xv1/x")),
    "regex-whole": match('{uri: {regex: "/ab"}}', get("/ab"), get("/abc"), get("/ab?q=1")),
    "no-case-exact": match("{uri: {exact: /Ab}, ignoreUriCase: true}", get("/AB"), get("/ab"), get("/abc")),
    "no-case-prefix": match("{uri: {prefix: /Ab}, ignoreUriCase: true}", get("/aBc"), get("/b")),
    "encoded": match('{uri: {exact: "/a%20b"}}', get("/a%20b"), get("/a%20B"), get("/a+b")),
    "dots": match("{uri: {prefix: /a}}", get("/a/../b"), get("/b/../a"), get("/./a"), get("//a"), get("/a//b")),
    "escapes": match("{uri: {prefix: /a}}", get("/%61"), get("/a%2fb"), get("/a%2Fb"), get("/a%5cb"),
                     get("/b/%2e%2e/a")),
    "above-root": match("{uri: {prefix: /a}}", get("/%2e%2e/a"), get("/../a")),
    "header-exact": match("{headers: {x-user: {exact: ann}}}", get(x_user="ann"), get(x_user="Ann"), get()),
    "header-prefix": match("{headers: {x-user: {prefix: an}}}", get(x_user="ann"), get(x_user="bob"), get()),
    "header-regex": match('{headers: {x-user: {regex: "a.*n"}}}', get(x_user="a1n"), get(x_user="a1n2"), get()),
    "header-present": match("{headers: {x-user: {}}}", get(x_user="any"), get()),
    "without": match("{withoutHeaders: {x-user: {exact: ann}}}", get(x_user="ann"), get(x_user="bob"), get()),
    "without-present": match("{withoutHeaders: {x-user: {}}}", get(x_user="a"), get()),
    "with-and-without": match("{headers: {x-a: {exact: '1'}}, withoutHeaders: {x-b: {exact: '2'}}}",
                              get(x_a="1"), get(x_a="1", x_b="2"), get(x_a="1", x_b="3"), get(x_b="3")),
    "query-exact": match("{queryParams: {q: {exact: '1'}}}", get("/?q=1"), get("/?q=2"), get("/?q=1&q=2"),
                         get("/?a=b&q=1"), get("/"), get("/?Q=1")),
    "query-regex": match('{queryParams: {q: {regex: "[0-9]+"}}}', get("/?q=12"), get("/?q=a1"), get("/?q=")),
    "query-present": match('{queryParams: {q: {exact: ""}}}', get("/?q="), get("/?q"), get("/?q=1"), get("/?z")),
    "query-prefix": match("{queryParams: {q: {prefix: ab}}}", get("/?q=abc"), get("/?q=a"), get("/?q=ab%20")),
    "query-encoded": match("{queryParams: {q: {exact: 'a b'}}}", get("/?q=a%20b"), get("/?q=a+b")),
    "method": match("{method: {exact: POST}}", get(method="POST", body="x"), get(), get(method="PUT", body="x")),
    "method-regex": match('{method: {regex: "GET|HEAD"}}', get(), get(method="HEAD"), get(method="DELETE")),
    "scheme": match("{scheme: {exact: http}}", get(), get(x_forwarded_proto="https")),
    "authority": match("{authority: {prefix: auth}}", get()),
    "port": match("{port: 80}", get()),
    "all-of": match("{uri: {prefix: /a}, method: {exact: GET}, headers: {x-a: {exact: '1'}}}",
                    get("/a", x_a="1"), get("/a"), get("/b", x_a="1"), get("/a", method="POST", x_a="1")),
    "any-of": match("{uri: {exact: /a}}, {headers: {x-a: {exact: '1'}}}", get("/a"), get("/b", x_a="1"), get("/b")),
    "order": {"http": f"[{{match: [{{uri: {{prefix: /a}}}}], {TO_V1}}}, {{match: [{{uri: {{exact: /ab}}}}], {TO_V2}}}]",
              "requests": [get("/ab"), get("/abc"), get("/b")]},
    "source-labels": match("{sourceLabels: {app: client}}", get()),
    "source-labels-not": match("{sourceLabels: {app: nobody}}", get()),
    "mesh-gateway": match("{gateways: [mesh], uri: {prefix: /m}}", get("/m"), get("/n")),
    "no-rule": {"http": f"[{{match: [{{uri: {{exact: /only}}}}], {TO_V1}}}]",
                "requests": [get("/only"), get("/else"), get("/else", method="POST", body="x")]},
    # ---- Where to
    "all-to-v2": {"http": f"[{{{TO_V2}}}]", "requests": [get(), get("/x", method="POST", body="hello")]},
    "weight-0": {"http": "[{route: [{destination: {host: HOST, subset: v1}, weight: 0}, "
                         "{destination: {host: HOST, subset: v2}, weight: 100}]}]", "requests": [get(n=8)]},
    "other-host": {"http": "[{route: [{destination: {host: other}}]}]", "requests": [get()]},
    "no-endpoints": {"http": "[{route: [{destination: {host: HOST, subset: none}}]}]", "requests": [get(), get(method="POST", body="x")]},
    "nobody-there": {"http": "[{retries: {attempts: 0}, route: [{destination: {host: gone}}]}]", "requests": [get()]},
    "hash-header": {"http": "[{route: [{destination: {host: HOST}}]}]",
                    "policy": "loadBalancer: {consistentHash: {httpHeaderName: x-user}}",
                    "requests": [get(x_user=f"u{i}") for i in range(12)]},
    "hash-query": {"http": "[{route: [{destination: {host: HOST}}]}]",
                   "policy": "loadBalancer: {consistentHash: {httpQueryParameterName: u}}",
                   "requests": [get(f"/?u={i}") for i in range(12)]},
    "hash-maglev": {"http": "[{route: [{destination: {host: HOST}}]}]",
                    "policy": "loadBalancer: {consistentHash: {httpHeaderName: x-user, maglev: {tableSize: 1021}}}",
                    "requests": [get(x_user=f"u{i}") for i in range(12)]},
    # ---- Rewriting
    "rewrite-prefix": {"http": f"[{{match: [{{uri: {{prefix: /a}}}}], rewrite: {{uri: /b}}, {TO_V1}}}]",
                       "requests": [get("/a"), get("/a/x"), get("/ax"), get("/a?q=/a")]},
    "rewrite-prefix-slash": {"http": f"[{{match: [{{uri: {{prefix: /a/}}}}], rewrite: {{uri: /}}, {TO_V1}}}]",
                             "requests": [get("/a/x"), get("/a/"), get("/a//x")]},
    "rewrite-prefix-root": {"http": f"[{{match: [{{uri: {{prefix: /a}}}}], rewrite: {{uri: /}}, {TO_V1}}}]",
                            "requests": [get("/a/x"), get("/a"), get("/ab")]},
    "rewrite-exact": {"http": f"[{{match: [{{uri: {{exact: /a}}}}], rewrite: {{uri: /other}}, {TO_V1}}}]",
                      "requests": [get("/a"), get("/a?q=1")]},
    "rewrite-regex-match": {"http": f"[{{match: [{{uri: {{regex: '/x.*'}}}}], rewrite: {{uri: /whole}}, {TO_V1}}}]",
                            "requests": [get("/xyz/1"), get("/xyz?q=1")]},
    "rewrite-pattern": rule(r"rewrite: {uriRegexRewrite: {match: '^/(\w+)/(\w+)', rewrite: '/\2/\1'}}",
                            get("/one/two"), get("/one/two/three"), get("/one"), get("/one/two?q=/a/b")),
    "rewrite-authority": rule("rewrite: {authority: else.example}", get(), get("/x", method="POST", body="b")),
    "rewrite-both": {"http": f"[{{match: [{{uri: {{prefix: /a}}}}], rewrite: {{uri: /c, authority: c.example}}, {TO_V1}}}]",
                     "requests": [get("/a/1")]},
    # ---- Redirects and answers of its own
    "redirect": only("redirect: {uri: /new}", get("/old"), get("/old?q=1"), get(method="POST", body="x")),
    "redirect-authority": only("redirect: {authority: else.example}", get("/p?q=1"), get()),
    "redirect-both": only("redirect: {uri: /new, authority: else.example, redirectCode: 308}", get("/p")),
    "redirect-302": only("redirect: {uri: /new, redirectCode: 302}", get("/p")),
    "redirect-303": only("redirect: {uri: /new, redirectCode: 303}", get("/p", method="POST", body="x")),
    "redirect-307": only("redirect: {uri: /new, redirectCode: 307}", get("/p", method="PUT", body="x")),
    "redirect-scheme": only("redirect: {scheme: https}", get("/p?q=1")),
    "redirect-port": only("redirect: {authority: else.example, port: 8443}", get("/p")),
    "redirect-scheme-port": only("redirect: {scheme: https, derivePort: FROM_PROTOCOL_DEFAULT}", get("/p")),
    "redirect-prefix": {"http": "[{match: [{uri: {prefix: /old}}], redirect: {uri: /new}}]",
                        "requests": [get("/old/a"), get("/old?q=2"), get("/older")]},
    "direct-body": only("directResponse: {status: 503, body: {string: 'not now'}}", get(), get(method="HEAD"), get(method="POST", body="x")),
    "direct-status": only("directResponse: {status: 204}", get()),
    "direct-403": only("directResponse: {status: 403, body: {string: '{}'}}, headers: {response: {set: {x-why: because}}}", get()),
    # ---- Headers
    "request-set": rule("headers: {request: {set: {x-a: '1', x-b: '2'}}}", get(), get(x_a="0"), get(x_b="0", x_c="3")),
    "request-add": rule("headers: {request: {add: {x-a: '1'}}}", get(), get(x_a="0")),
    "request-remove": rule("headers: {request: {remove: [x-a, user-agent]}}", get(x_a="0", x_b="1", user_agent="t")),
    "request-host": rule("headers: {request: {set: {Host: set.example}}}", get()),
    "request-authority": rule("headers: {request: {set: {':authority': set.example}}}", get()),
    "response-set": rule("headers: {response: {set: {x-a: '1'}}}", get(), get(x_want="header=x-a:0")),
    "response-add": rule("headers: {response: {add: {x-a: '1'}}}", get(), get(x_want="header=x-a:0")),
    "response-remove": rule("headers: {response: {remove: [x-a]}}", get(x_want="header=x-a:0;header=x-b:1")),
    "destination-headers": {"http": "[{route: [{destination: {host: HOST, subset: v1}, headers: "
                                    "{request: {set: {x-d: d}}, response: {add: {x-e: e}}}}]}]", "requests": [get()]},
    "both-headers": {"http": "[{headers: {request: {set: {x-d: rule}}}, route: [{destination: {host: HOST, subset: v1}, "
                             "headers: {request: {set: {x-d: destination}}}}]}]", "requests": [get(), get(x_d="client")]},
    "header-twice": rule("headers: {request: {add: {x-a: '1'}}, response: {add: {x-b: '2'}}}",
                         get(x_a="0", x_want="header=x-b:1;header=x-b:3")),
    "header-variable": rule("headers: {request: {set: {x-path: '%REQ(:path)%', x-method: '%REQ(:METHOD)%'}}}", get("/p?q=1")),
    "header-percent": rule("headers: {request: {set: {x-a: '100%%'}}}", get()),
    "header-protocol": rule("headers: {request: {set: {x-p: '%PROTOCOL%'}}, response: {set: {x-code: '%RESPONSE_CODE%'}}}",
                            get(), get(x_want="status=404")),
    # ---- Timeouts, retries, faults
    "timeout": rule("timeout: 0.2s", get(x_want="delay=1"), get()),
    "timeout-header": rule("timeout: 5s", get(x_envoy_upstream_rq_timeout_ms="100", x_want="delay=1")),
    "no-retry": rule("retries: {attempts: 0}", get(x_want="status=503"), get(x_want="status=503;times=1")),
    "retry-default": rule("timeout: 5s", get(x_want="status=503;times=1"), get(x_want="status=503"), get(x_want="status=500")),
    "retry-5xx": rule("retries: {attempts: 2, retryOn: 5xx}", get(x_want="status=500;times=1"), get(x_want="status=500;times=2"),
                      get(x_want="status=500"), get(x_want="status=404"), get(method="POST", body="again", x_want="status=502;times=1")),
    "retry-gateway": rule("retries: {attempts: 1, retryOn: gateway-error}", get(x_want="status=502;times=1"),
                          get(x_want="status=500;times=1"), get(x_want="status=504;times=1")),
    "retry-codes": rule("retries: {attempts: 2, retryOn: '409,418'}", get(x_want="status=418;times=1"),
                        get(x_want="status=409;times=2"), get(x_want="status=500;times=1")),
    "retry-4xx": rule("retries: {attempts: 1, retryOn: retriable-4xx}", get(x_want="status=409;times=1"), get(x_want="status=404;times=1")),
    "retry-per-try": rule("timeout: 5s, retries: {attempts: 1, perTryTimeout: 0.2s, retryOn: 5xx}", get(x_want="delay=1"), get()),
    "retry-header": rule("retries: {attempts: 0}", get(x_envoy_retry_on="5xx", x_want="status=500;times=1"),
                         get(x_envoy_retry_on="5xx", x_envoy_max_retries="2", x_want="status=500;times=2")),
    "fault-abort": rule("fault: {abort: {httpStatus: 555, percentage: {value: 100}}}", get(), get(method="HEAD")),
    "fault-abort-0": rule("fault: {abort: {httpStatus: 555, percentage: {value: 0}}}", get()),
    "fault-404": rule("fault: {abort: {httpStatus: 404, percentage: {value: 100}}}", get("/x", method="POST", body="x")),
    "fault-delay": rule("fault: {delay: {fixedDelay: 0.1s, percentage: {value: 100}}}", get()),
    "fault-both": rule("fault: {delay: {fixedDelay: 0.05s, percentage: {value: 100}}, "
                       "abort: {httpStatus: 503, percentage: {value: 100}}}, retries: {attempts: 0}", get()),
    "fault-match": {"http": "[{match: [{headers: {x-f: {exact: '1'}}}], fault: {abort: {httpStatus: 500, percentage: {value: 100}}}, "
                            f"retries: {{attempts: 0}}, {TO_V1}}}, {{{TO_V2}}}]", "requests": [get(x_f="1"), get()]},
    # ---- Mirrors
    "mirror": {"http": f"[{{mirror: {{host: other}}, {TO_V1}}}]", "requests": [get("/m"), get("/m", method="POST", body="copy")],
               "mirrored": ["other"]},
    "mirror-none": {"http": f"[{{mirror: {{host: other}}, mirrorPercentage: {{value: 0}}, {TO_V1}}}]", "requests": [get("/m")], "mirrored": []},
    # ---- CORS
    "cors": rule("corsPolicy: {allowOrigins: [{exact: 'http://a.example'}], allowMethods: [GET, PUT], allowHeaders: [x-a], "
                 "exposeHeaders: [x-b], maxAge: 10m, allowCredentials: true}",
                 get(origin="http://a.example"), get(origin="http://b.example"), get(),
                 get(method="OPTIONS", origin="http://a.example", access_control_request_method="PUT"),
                 get(method="OPTIONS", origin="http://b.example", access_control_request_method="PUT"),
                 get(method="OPTIONS", origin="http://a.example"), get(method="OPTIONS")),
    "cors-prefix": rule("corsPolicy: {allowOrigins: [{prefix: 'http://a.'}]}", get(origin="http://a.example"), get(origin="http://b.a."),
                        get(method="OPTIONS", origin="http://a.b", access_control_request_method="GET")),
    "cors-regex": rule("corsPolicy: {allowOrigins: [{regex: 'http://[ab]\\.example'}], allowMethods: [GET]}",
                       get(origin="http://b.example"), get(origin="http://c.example"),
                       get(method="OPTIONS", origin="http://b.example", access_control_request_method="GET")),
    # ---- Messages
    "bodies": rule("timeout: 5s", get(method="POST", body="x" * 100_000), get(method="PUT", body=""), get(method="DELETE"),
                   get(method="PATCH", body="p"), get(method="HEAD"), get(x_want="status=204"), get(x_want="status=304"),
                   get(x_want="status=404"), get(x_want="status=500;body=oops"), get(method="OPTIONS")),
    "hop-by-hop": rule("timeout: 5s", get(connection="x-a", x_a="1"), get(te="trailers"), get(keep_alive="5"),
                       get(proxy_connection="keep-alive"), get(upgrade="h2c")),
    "forwarded": rule("timeout: 5s", get(x_forwarded_for="1.2.3.4"), get(x_forwarded_proto="https"), get(x_request_id="mine"),
                      get(x_envoy_internal="true"), get(x_forwarded_client_cert="By=me"), get(via="1.0 x"), get(x_forwarded_host="h")),
    "odd-headers": rule("timeout: 5s", get(**{"x_dotted.name": "1"}), get(**{"x.under_score": "1"}), get(x_empty=""),
                        get(x_long="l" * 8000), get(x_utf8="\xc3\xa9"), get(expect="100-continue", method="POST", body="x")),
    "response-headers": rule("timeout: 5s", get(x_want="header=set-cookie:a=1;header=set-cookie:b=2"), get(x_want="header=connection:x-a;header=x-a:1"),
                             get(x_want="header=x-envoy-upstream-service-time:5"), get(x_want="header=server:mine")),
    "plain": {"backends": ["v1"], "requests": [get(), get("/a/b?c=d"), get(method="POST", body="x")]},
}

ACCESS = {
    "allow-path": ("ALLOW", "[{to: [{operation: {paths: [PATH/open/*]}}]}]", [get("PATH/open/1"), get("PATH/shut")]),
    "allow-method": ("ALLOW", "[{to: [{operation: {paths: [PATH/*], methods: [GET, HEAD]}}]}]",
                     [get("PATH/1"), get("PATH/1", method="HEAD"), get("PATH/1", method="POST", body="x")]),
    "not-methods": ("ALLOW", "[{to: [{operation: {paths: [PATH/*], notMethods: [DELETE]}}]}]", [get("PATH/1"), get("PATH/1", method="DELETE")]),
    "not-paths": ("ALLOW", "[{to: [{operation: {paths: [PATH/*], notPaths: [PATH/no*]}}]}]", [get("PATH/yes"), get("PATH/no"), get("PATH/not")]),
    "path-suffix": ("ALLOW", "[{to: [{operation: {paths: ['*/SLUG.txt']}}]}]", [get("/any/SLUG.txt"), get("/any/SLUG.txt2"), get("/any/SLUG.txt?q=1")]),
    "path-template": ("ALLOW", "[{to: [{operation: {paths: ['PATH/{*}/end']}}]}]", [get("PATH/a/end"), get("PATH/a/b/end"), get("PATH/end")]),
    "path-deep": ("ALLOW", "[{to: [{operation: {paths: ['PATH/a/{**}']}}]}]", [get("PATH/a/b"), get("PATH/a/b/c"), get("PATH/b"), get("PATH/a")]),
    "hosts": ("ALLOW", "[{to: [{operation: {paths: [PATH/*], hosts: ['access', 'access:*', '127.0.0.1:*']}}]}]", [get("PATH/1")]),
    "header": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], when: [{key: 'request.headers[x-role]', values: [admin, 'op*']}]}]",
               [get("PATH/1", x_role="admin"), get("PATH/1", x_role="operator"), get("PATH/1", x_role="user"), get("PATH/1")]),
    "header-not": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], when: [{key: 'request.headers[x-role]', notValues: [guest]}]}]",
                   [get("PATH/1", x_role="admin"), get("PATH/1", x_role="guest"), get("PATH/1")]),
    "ip": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], from: [{source: {ipBlocks: [127.0.0.0/8]}}]}]", [get("PATH/1")]),
    "not-ip": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], from: [{source: {notIpBlocks: [127.0.0.0/8]}}]}]", [get("PATH/1")]),
    "remote-ip": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], from: [{source: {remoteIpBlocks: [10.0.0.0/8]}}]}]",
                  [get("PATH/1"), get("PATH/1", x_forwarded_for="10.1.2.3")]),
    "principal": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], from: [{source: {principals: [cluster.local/ns/demo/sa/client]}}]}]", [get("PATH/1")]),
    "principal-any": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], from: [{source: {principals: ['*']}}]}]", [get("PATH/1")]),
    "principal-suffix": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], from: [{source: {principals: ['*/sa/client']}}]}]", [get("PATH/1")]),
    "not-principal": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], from: [{source: {notPrincipals: [cluster.local/ns/demo/sa/client]}}]}]", [get("PATH/1")]),
    "namespace": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], from: [{source: {namespaces: [demo]}}]}]", [get("PATH/1")]),
    "not-namespace": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], from: [{source: {notNamespaces: [demo]}}]}]", [get("PATH/1")]),
    "port": ("ALLOW", "[{to: [{operation: {paths: [PATH/*], notPorts: ['1']}}]}]", [get("PATH/1")]),
    "two-rules": ("ALLOW", "[{to: [{operation: {paths: [PATH/a]}}]}, {to: [{operation: {paths: [PATH/b], methods: [PUT]}}]}]",
                  [get("PATH/a"), get("PATH/b"), get("PATH/b", method="PUT", body="x"), get("PATH/c")]),
    "free": ("ALLOW", "[{to: [{operation: {paths: [/free/*]}}]}]", [get("/free/1"), get("/fre")]),
    # What the authorizer answers is said by "x-want"; a refusal shows what it was asked.
    "custom": ("CUSTOM, provider: {name: asked}", "[{to: [{operation: {paths: [/free/ask/*]}}]}]",
               [get("/free/ask/1"), get("/free/ask/1?q=a%20b", x_want="header=x-user:ann;header=x-other:1"),
                get("/free/ask/1", x_user="bob", x_want="header=x-user:ann"),
                get("/free/ask/no?q=1", x_want="status=403;header=x-why:no;header=x-other:1", x_a="1", x_b="2"),
                get("/free/ask/no", x_want="status=401;body=who?", authorization="Basic YTpi"),
                get("/free/ask/no", x_want="status=302;header=location:/login"),
                get("/free/ask/no", x_want="status=503"), get("/free/ask/slow", x_want="delay=1.5"),
                get("/free/ask/no", method="HEAD", x_want="status=403"),
                get("/free/ask/no", method="POST", body="not sent", x_want="status=403")]),
    "custom-body": ("CUSTOM, provider: {name: asked-with-body}", "[{to: [{operation: {paths: [/free/body/*]}}]}]",
                    [get("/free/body/1", method="POST", body="x" * 16), get("/free/body/1", method="POST", body="x" * 17),
                     get("/free/body/no", method="POST", body="x=1", x_want="status=403"),
                     get("/free/body/no", method="POST", body="y" * 40, x_want="status=403"),
                     get("/free/body/no", x_want="status=403"), get("/free/body/1", x_want="status=500")]),
    "custom-nobody": ("CUSTOM, provider: {name: asked-in-vain}", "[{to: [{operation: {paths: [/free/vain/*]}}]}]",
                      [get("/free/vain/1")]),
    "deny-path": ("DENY", "[{to: [{operation: {paths: [/free/no*], methods: [GET]}}]}]",
                  [get("/free/no/x"), get("/free/n"), get("/free/no", method="PUT", body="x")]),
    "deny-header": ("DENY", "[{to: [{operation: {paths: [/free/*]}}], when: [{key: 'request.headers[x-bad]', values: ['*']}]}]",
                    [get("/free/1"), get("/free/1", x_bad="1"), get("/free/1", x_bad="")]),
    "dots-in-paths": ("ALLOW", "[{to: [{operation: {paths: [PATH/open/*]}}]}]",
                      [get("PATH/open/../shut"), get("PATH/shut/../open/1"), get("PATH//open/1"), get("PATH/open%2f1"), get("PATH/%6fpen/1")]),
    "jwt-principal": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], from: [{source: {requestPrincipals: [tests/ann]}}]}]",
                      [get("PATH/1", authorization="Bearer TOKEN(ann)"), get("PATH/1", authorization="Bearer TOKEN(bob)"),
                       get("PATH/1", authorization="Bearer TOKEN(ended)"), get("PATH/1", authorization="Bearer TOKEN(forged)"),
                       get("PATH/1", authorization="Bearer TOKEN(stranger)"), get("PATH/1", authorization="Bearer junk"),
                       get("PATH/1", authorization="Basic YTpi"), get("PATH/1"), get("PATH/1?access_token=TOKEN(ann)")]),
    "jwt-any": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], from: [{source: {requestPrincipals: ['*']}}]}]",
                [get("PATH/1", authorization="Bearer TOKEN(bob)"), get("PATH/1")]),
    "jwt-none": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], from: [{source: {notRequestPrincipals: ['*']}}]}]",
                 [get("PATH/1", authorization="Bearer TOKEN(bob)"), get("PATH/1")]),
    "jwt-claim": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], when: [{key: 'request.auth.claims[groups]', values: [admin]}]}]",
                  [get("PATH/1", authorization="Bearer TOKEN(ann)"), get("PATH/1", authorization="Bearer TOKEN(bob)"), get("PATH/1")]),
    "jwt-nested": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], when: [{key: 'request.auth.claims[realm][role]', values: ['op*']}]}]",
                   [get("PATH/1", authorization="Bearer TOKEN(ann)"), get("PATH/1", authorization="Bearer TOKEN(bob)")]),
    "jwt-audience": ("ALLOW", "[{to: [{operation: {paths: [PATH/*]}}], when: [{key: request.auth.audiences, values: [shop]}]}]",
                     [get("PATH/1", authorization="Bearer TOKEN(ann)"), get("PATH/1", authorization="Bearer TOKEN(bob)")]),
}

# At a gateway, whose routes ask what a token says: the rules before the last, which takes the rest.
TO = TO_V1.replace("HOST", "exact")


def by_claim(claim, match, fields="headers"):
    """The rule, asked by everybody."""
    tokens = ("ann", "bob", "ended", "forged", "stranger")
    return (f"{{match: [{{{fields}: {{'{claim}': {{{match}}}}}}}], {TO}}}",
            [get("/1"), get("/1?access_token=TOKEN(ann)")] +
            [get("/1", authorization=f"Bearer TOKEN({name})") for name in tokens])


CLAIMS = {
    "claim-exact": by_claim("@request.auth.claims[sub]", "exact: ann"),
    "claim-prefix": by_claim("@request.auth.claims.sub", "prefix: b"),
    "claim-regex": by_claim("@request.auth.claims[sub]", "regex: 'a.*'"),
    "claim-list": by_claim("@request.auth.claims[groups]", "exact: admin"),
    "claim-list-or-text": by_claim("@request.auth.claims[groups]", "exact: staff"),
    "claim-nested": by_claim("@request.auth.claims[realm][role]", "prefix: op"),
    "claim-nested-dots": by_claim("@request.auth.claims.realm.role", "exact: guest"),
    "claim-object": by_claim("@request.auth.claims[realm]", "prefix: o"),
    "claim-without": by_claim("@request.auth.claims[sub]", "exact: ann", "withoutHeaders"),
    "claim-header": by_claim("x-sub", "exact: bob"),
    # What an authorizer says of the request makes its route another one (clearRouteCache).
    "asked-anew": (f"{{match: [{{headers: {{x-user: {{exact: ann}}}}}}], {TO}}}",
                   [get("/1", x_want="header=x-user:ann"), get("/1", x_want="header=x-user:bob"),
                    get("/1", x_want="header=x-other:1"), get("/1"), get("/1", x_user="ann"),
                    get("/1", x_user="ann", x_want="header=x-user:bob"),
                    get("/1", x_user="bob", x_want="header=x-user:ann")]),
}

# Claims of the tokens, besides times; "forged" has another key's signature.
TOKENS = {
    "ann": {"iss": "tests", "sub": "ann", "aud": ["shop", "bank"], "groups": ["staff", "admin"], "realm": {"role": "operator"}},
    "bob": {"iss": "tests", "sub": "bob", "aud": "bank", "groups": "staff", "realm": {"role": "guest"}},
    "ended": {"iss": "tests", "sub": "ann", "exp": 1_000_000_000},
    "forged": {"iss": "tests", "sub": "ann"},
    "stranger": {"iss": "elsewhere", "sub": "ann"},
}
