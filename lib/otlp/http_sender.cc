#include "otlp/http_sender.h"

#include <utility>

namespace mesh::otlp {

Outcome outcome_of(const Result<fetch::Fetcher::Response>& response) {
  // A collector that answers nonsense at length is as one that is not there.
  if (!response) return {.kind = Outcome::Kind::Again, .text = response.error().text};
  const long status = response->status;
  if (status >= 200 && status < 300) return accepted(response->body);
  const bool again = status == 429 || status == 502 || status == 503 || status == 504;
  return {.kind = again ? Outcome::Kind::Again : Outcome::Kind::Refused,
          .wait = response->retry_after,
          .text = "status " + std::to_string(status)};
}

void HttpSender::send(const std::string& request, Done done) {
  fetch::Fetcher::Request post{.url = options_.url,
                               .timeout = options_.timeout,
                               .bytes_max = 64UL * 1024,
                               .ca_file = options_.ca_file,
                               .body = request,
                               .headers = options_.headers,
                               .unix_path = options_.unix_path};
  post.headers.emplace_back("content-type: application/x-protobuf");
  fetcher_.post(std::move(post),
                [done = std::move(done)](const Result<fetch::Fetcher::Response>& response) {
                  done(outcome_of(response));
                });
}

}  // namespace mesh::otlp
