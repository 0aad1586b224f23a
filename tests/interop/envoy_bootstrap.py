#!/usr/bin/env python3
"""Makes a bootstrap of compiled resources whole for a stock Envoy.

envoy_bootstrap.py NAME.json NAME.routes CERT KEY CA: prints the bootstrap with
the routes, one configuration a line, where RDS would bring them, and static secrets
under the names that SDS would bring. Nothing that was compiled is changed otherwise.
"""
import json
import sys


def walk(value, routes):
    """Inlines rds, and leaves the name of a secret where its source was ads."""
    if isinstance(value, list):
        for item in value:
            walk(item, routes)
    elif isinstance(value, dict):
        if "rds" in value:
            value["route_config"] = routes[value.pop("rds")["route_config_name"]]
        if "sds_config" in value:
            assert value["sds_config"].get("ads") == {}
            del value["sds_config"]
        if "requires_" in value:  # a keyword of C++ without the mark
            value["requires"] = value.pop("requires_")
        for item in value.values():
            walk(item, routes)


def main():
    compiled, routes, certificate, key, ca = sys.argv[1:]
    with open(routes) as file:
        routes = {config["name"]: config for config in map(json.loads, file)}
    with open(compiled) as file:
        bootstrap = json.load(file)
    walk(bootstrap, routes)
    bootstrap["static_resources"]["secrets"] = [
        {"name": "default", "tls_certificate": {
            "certificate_chain": {"filename": certificate}, "private_key": {"filename": key}}},
        {"name": "ROOTCA", "validation_context": {"trusted_ca": {"filename": ca}}},
    ]
    json.dump(bootstrap, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
