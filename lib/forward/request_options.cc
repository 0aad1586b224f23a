#include "forward/request_options.h"

namespace mesh::forward {

RequestOptions options_of(const xds::FilterChain& chain) {
  RequestOptions options;
  options.idle_timeout = chain.stream_idle_timeout;
  return options;
}

RequestOptions options_of(const route::Route& route, const xds::FilterChain& chain) {
  RequestOptions options = options_of(chain);
  options.timeout = route.timeout;
  if (route.retry) {
    options.retry = &*route.retry;
    options.per_try_timeout = route.retry->per_try_timeout;
  }
  return options;
}

}  // namespace mesh::forward
