#include "forward/admin/pages.h"
#include "forward/filter/reports.h"

namespace mesh::forward::admin {

Page breakers(const Forwarder& forwarder) {
  return {.type = kJson, .body = filter::to_json(forwarder.breakers())};
}

}  // namespace mesh::forward::admin
