# Who may include whom: one line per module of lib/, lowest first.
# A module may include itself, what its line names, and nothing else; the
# fourth column names the foreign libraries whose headers it alone may include.
# Read by: make lint (fails on an unlisted include), make graph (draws it),
# and the linker line (archives are linked in reverse of this order).

LAYERS :=

define module                     # $(call module,NAME,MAY INCLUDE,FOREIGN HEADERS)
LAYERS += $(1)
USES_$(1) := $(2)
FOREIGN_$(1) := $(3)
endef

# rank 0: std only, and the generated messages (no code of its own)
$(eval $(call module,base,,))
$(eval $(call module,api,,google/protobuf))

# rank 1: pure, or the loop
$(eval $(call module,event,base,event2))
$(eval $(call module,fetch,base event,curl))
$(eval $(call module,identity,base,openssl))
$(eval $(call module,http,base,))
$(eval $(call module,balance,base,xxhash.h))
$(eval $(call module,resilience,base,))
$(eval $(call module,telemetry,base http,))
$(eval $(call module,cli,base,nlohmann CLI))

# rank 2
$(eval $(call module,net,base event,))
$(eval $(call module,http1,base http,))
$(eval $(call module,http2,base http,nghttp2))
$(eval $(call module,route,base http resilience telemetry,re2))
$(eval $(call module,authz,base http route,))
$(eval $(call module,config,base api identity telemetry route,google/protobuf yaml.h))
$(eval $(call module,bus,base event api,zmq google/protobuf))
$(eval $(call module,ca,base identity,))
$(eval $(call module,stats,base api telemetry,google/protobuf))

# rank 3
$(eval $(call module,xds,base api identity http balance resilience telemetry route authz config,google/protobuf))
$(eval $(call module,replay,base http route authz xds,))
$(eval $(call module,discovery,base api identity config xds,google/protobuf))
$(eval $(call module,tls,base event identity net,openssl))
$(eval $(call module,transport,base event http net tls,))
$(eval $(call module,grpc,base event http http2 net tls transport,))
$(eval $(call module,ads,base api,google/protobuf))
$(eval $(call module,otlp,base api event fetch http net tls grpc,google/protobuf))
$(eval $(call module,etcd,base event api net tls grpc,google/protobuf))
$(eval $(call module,client,base event api identity config telemetry bus stats,google/protobuf))
$(eval $(call module,daemon,base event api config cli bus,google/protobuf))

# rank 4, 5
$(eval $(call module,upstream,base event identity http balance resilience telemetry net http1 http2 route xds tls transport,))
$(eval $(call module,forward,base event identity http balance resilience telemetry net http1 http2 route authz xds tls transport upstream,))
# what the data plane would do, told to people by its own code
$(eval $(call module,explain,base api identity http balance resilience telemetry net route authz config xds discovery forward,google/protobuf))
