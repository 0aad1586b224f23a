#include "otlp/grpc_sender.h"

namespace mesh::otlp {
namespace {

constexpr const char* kExport = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

grpc::Channel::Options channel_options(const GrpcSender::Options& options) {
  grpc::Channel::Options out;
  out.addresses = options.addresses;
  out.authority = options.authority;
  out.tls = options.tls;
  out.sni = options.name;
  out.connect_timeout = options.timeout;
  return out;
}

}  // namespace

Outcome outcome_of(const grpc::Status& status, const grpc::Metadata& trailers,
                   const std::string& answer) {
  using grpc::Code;
  if (status.ok()) return accepted(answer);
  Outcome outcome{.kind = Outcome::Kind::Refused, .text = status.text()};
  switch (status.code) {
    case Code::Cancelled:
    case Code::DeadlineExceeded:
    case Code::Aborted:
    case Code::OutOfRange:
    case Code::Unavailable:
    case Code::DataLoss: outcome.kind = Outcome::Kind::Again; break;
    case Code::ResourceExhausted: {
      const auto details = grpc::find(trailers, "grpc-status-details-bin");
      if (details && details->find("google.rpc.RetryInfo") != std::string_view::npos)
        outcome.kind = Outcome::Kind::Again;
      break;
    }
    default: break;
  }
  return outcome;
}

GrpcSender::GrpcSender(event::Loop& loop, Options options)
    : options_(std::move(options)), channel_(loop, channel_options(options_)) {
  if (options_.name.empty()) return;
  resolver_ = std::make_unique<net::Resolver>(loop);
  look_up();
}

GrpcSender::~GrpcSender() = default;

void GrpcSender::look_up() {
  if (resolver_ == nullptr || std::exchange(looking_up_, true)) return;
  resolver_->resolve(options_.name, [this](const Result<net::Resolver::Addresses>& addresses) {
    looking_up_ = false;
    if (!addresses) return;
    std::vector<net::Address> with_port;
    for (const net::Address& address : *addresses)
      if (auto dialed = net::Address::ip(address.host(), options_.port))
        with_port.push_back(*dialed);
    if (!with_port.empty()) channel_.set_addresses(std::move(with_port));
  });
}

void GrpcSender::send(const std::string& request, Done done) {
  answer_.clear();
  done_ = std::move(done);
  call_ = channel_.start(
      kExport,
      {.metadata = options_.metadata, .timeout = options_.timeout, .wait_for_ready = false}, *this);
  call_->send(request, true);
}

void GrpcSender::on_end(const grpc::Status& status, const grpc::Metadata& trailers) {
  Outcome outcome = outcome_of(status, trailers, answer_);
  if (outcome.kind == Outcome::Kind::Again) look_up();
  call_.reset();
  std::exchange(done_, nullptr)(std::move(outcome));
}

}  // namespace mesh::otlp
