#include "cmd/discoveryd/workload_message.h"

namespace mesh::discoveryd {

v1::Workload message_of(const discovery::Workload& workload) {
  v1::Workload message;
  message.set_namespace_(workload.ns);
  message.set_name(workload.name);
  message.set_address(workload.address);
  message.mutable_ports()->insert(workload.ports.begin(), workload.ports.end());
  message.mutable_labels()->insert(workload.labels.begin(), workload.labels.end());
  message.set_locality(workload.locality);
  message.set_weight(workload.weight);
  message.set_service_account(workload.service_account);
  message.set_group(workload.group);
  return message;
}

discovery::Workload workload_of(const v1::Workload& message) {
  discovery::Workload workload;
  workload.ns = message.namespace_();
  workload.name = message.name();
  workload.address = message.address();
  workload.ports.insert(message.ports().begin(), message.ports().end());
  workload.labels.insert(message.labels().begin(), message.labels().end());
  workload.locality = message.locality();
  workload.weight = message.weight() == 0 ? 1 : message.weight();
  workload.service_account = message.service_account();
  workload.group = message.group();
  workload.source = discovery::Workload::Source::Registered;
  return workload;
}

}  // namespace mesh::discoveryd
