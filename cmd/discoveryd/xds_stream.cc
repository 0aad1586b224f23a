#include "cmd/discoveryd/xds_stream.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "cmd/discoveryd/xds_proxyless.h"
#include "cmd/discoveryd/xds_secrets.h"
#include "cmd/discoveryd/xds_server.h"

namespace mesh::discoveryd {
namespace {

constexpr Duration kFirstRequest = std::chrono::seconds(30);
// More is not begun before the client has read what was sent.
constexpr size_t kQueuedMax = 256U << 10;
// Told of a refusal whose reason names no resource.
constexpr size_t kRefusedMax = 8;
constexpr uint32_t kNobody = 65534;
constexpr size_t kListeners = size_t(Type::Listener);
constexpr size_t kRoutes = size_t(Type::Routes);
constexpr std::string_view kOutbound = "outbound";
constexpr std::string_view kSecretType =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

// Those of the publisher, in its order, and secrets.
std::vector<ads::Type> types() {
  auto types = ads::mesh_types();
  for (size_t i = 0; i < kTypes; ++i) MESH_CHECK(types[i].url == type_url(static_cast<Type>(i)));
  types.push_back({.url = kSecretType});
  return types;
}

// Whether it asks for other names than those before it, which it becomes.
bool asks_anew(const ads::pb::DiscoveryRequest& request, std::set<std::string>& names) {
  std::set<std::string> now(request.resource_names().begin(), request.resource_names().end());
  const bool anew = now != names;
  names = std::move(now);
  return anew;
}
bool asks_anew(const ads::pb::DeltaDiscoveryRequest& request, std::set<std::string>&) {
  return request.resource_names_subscribe_size() > 0;
}

}  // namespace

// What a type's provider sees. It gets everything; the stream passes on what was asked for.
class XdsStream::Watch final : public bus::Watcher {
 public:
  Watch(XdsStream& stream, size_t type)
      : stream_(stream),
        type_(type),
        peer_{.uid = stream.call_.peer().uid.value_or(kNobody), .gid = kNobody, .pid = 0} {}

  const bus::Peer& peer() const override { return peer_; }
  const bus::Node& node() const override { return stream_.node_.words; }
  std::string_view type_url() const override {
    return discoveryd::type_url(static_cast<Type>(type_));
  }
  uint64_t id() const override { return stream_.id_ * kTypes + type_; }
  bool wants(std::string_view) const override { return true; }
  bool wants_all() const override { return true; }

  void offer(std::string_view name, std::string_view version,
             std::shared_ptr<const std::string> body) override {
    if (!made_of_routes()) {
      stream_.ads_.offer(type_, name, version, std::move(body));
    } else if (type_ == kRoutes && name == kOutbound) {
      stream_.routes_ = std::move(body);
      stream_.routes_version_ = version;
      stream_.set_listeners();
    }
    changed();
  }
  void withdraw(std::string_view name) override {
    if (!made_of_routes()) {
      stream_.ads_.withdraw(type_, name);
    } else if (type_ == kRoutes && name == kOutbound) {
      stream_.routes_.reset();
      stream_.set_listeners();
    }
    changed();
  }
  void mark(std::string_view generation) override {
    if (!made_of_routes())
      stream_.ads_.mark(type_, generation);
    else if (type_ == kRoutes)
      stream_.ads_.mark(kListeners, marked_ = generation);
    changed();
  }
  void complete() override { mark({}); }
  bool idle() const override { return stream_.ads_.idle(type_); }
  void refuse(Error error) override { stream_.end(grpc::Status::of(error)); }

  // The generation that the client accepted last.
  std::string take_settled() {
    if (!made_of_routes() || type_ != kRoutes) return stream_.ads_.settled(type_);
    return std::exchange(marked_, {});
  }
  std::string settled;

 private:
  // Listeners and routes of gRPC's own client.
  bool made_of_routes() const {
    return stream_.node_.proxyless && (type_ == kListeners || type_ == kRoutes);
  }
  void changed() {
    if (!stream_.closed_) stream_.loop_.at_turn_end(stream_);
  }

  XdsStream& stream_;
  const size_t type_;
  const bus::Peer peer_;
  std::string marked_;  // routes of gRPC's own client
};

XdsStream::XdsStream(event::Loop& loop, XdsServer& server, Publisher& publisher,
                     grpc::ServerCall& call, ads::AdsStream::Variant variant, uint64_t id)
    : loop_(loop),
      server_(server),
      publisher_(publisher),
      call_(call),
      id_(id),
      ads_(variant, types()),
      variant_(variant),
      deadline_(loop.wheel(), *this) {
  deadline_.arm(kFirstRequest);
}

XdsStream::~XdsStream() { close(); }

void XdsStream::close() {
  if (std::exchange(closed_, true)) return;
  deadline_.cancel();
  for (size_t i = 0; i < kTypes; ++i)
    if (watches_[i]) publisher_.provider(static_cast<Type>(i)).on_gone(*watches_[i]);
  server_.left(introduced_ ? node_.words.id : std::string());
}

void XdsStream::end(const grpc::Status& status) {
  if (closed_) return;
  if (!status.ok())
    log::info("xds: a stream is ended",
              {{"peer", call_.peer().text()}, {"node", node_.words.id}, {"status", status.text()}});
  close();
  call_.finish(status);
}

void XdsStream::on_deadline(event::Deadline&) {
  end({grpc::Code::DeadlineExceeded, "no request came"});
}

void XdsStream::on_half_close() { end({}); }
void XdsStream::on_cancelled(const grpc::Status&) { close(); }
void XdsStream::on_send_room() { flush(); }
void XdsStream::on_turn_end() { flush(); }

void XdsStream::on_message(std::string_view message) {
  if (closed_) return;
  if (variant_ == ads::AdsStream::Variant::Incremental)
    take<ads::pb::DeltaDiscoveryRequest>(message);
  else
    take<ads::pb::DiscoveryRequest>(message);
}

template <class Request>
void XdsStream::take(std::string_view message) {
  Request request;
  if (!request.ParseFromArray(message.data(), int(message.size())))
    return end({grpc::Code::InvalidArgument, "the request does not parse"});
  if (!introduced_) {
    const auto introduced = introduce(request.node());
    if (!introduced) return end(grpc::Status::of(introduced.error()));
  } else if (!request.node().id().empty() && request.node().id() != node_.words.id) {
    return end({grpc::Code::InvalidArgument, "another node.id than in the first request"});
  }
  const auto events = ads_.take(request);
  if (!events) return end(grpc::Status::of(events.error()));
  if (const auto handled = handle(*events); !handled) return end(grpc::Status::of(handled.error()));
  if (node_.proxyless && request.type_url() == type_url(Type::Listener) &&
      asks_anew(request, listeners_asked_))
    set_listeners();
  if (!closed_) loop_.at_turn_end(*this);
}

Result<void> XdsStream::introduce(const envoy::config::core::v3::Node& node) {
  MESH_TRY(node_, xds_node_of(node));
  MESH_TRY_VOID(server_.arrive(call_.peer(), node_.words));
  introduced_ = true;
  deadline_.cancel();
  if (node_.proxyless)
    ads_.set_rewrite(for_grpc);
  else if (!node_.sds.empty())
    ads_.set_rewrite([sds = node_.sds](std::string_view type, const std::string& body) {
      return with_sds(type, body, sds);
    });
  if (node_.certificates.empty()) return {};
  const size_t type = *ads_.find(kSecretType);
  for (const auto& secret : file_secrets(node_.certificates))
    ads_.offer(type, secret.name, secret.version, secret.body);
  ads_.mark(type, {});
  return {};
}

Result<void> XdsStream::handle(const ads::AdsStream::Events& events) {
  if (!events.unknown_type.empty() && !std::exchange(told_unknown_, true))
    log::info("xds: a type that is not served is asked for",
              {{"node", node_.words.id}, {"type", events.unknown_type}});
  if (events.opened && *events.opened < kTypes) {
    MESH_TRY_VOID(open(*events.opened));
    if (node_.proxyless && *events.opened == kListeners) MESH_TRY_VOID(open(kRoutes));
  }
  if (events.refused) refused(*events.refused, std::string(text::trim(events.reason)));
  return {};
}

Result<void> XdsStream::open(size_t type) {
  if (watches_[type]) return {};
  auto& provider = publisher_.provider(static_cast<Type>(type));
  auto watch = std::make_unique<Watch>(*this, type);
  MESH_TRY_VOID(provider.on_open(*watch));
  watches_[type] = std::move(watch);
  provider.on_subscribe(*watches_[type], {std::string(bus::kAll)});
  return {};
}

void XdsStream::set_listeners() {
  std::map<std::string, discovery::Resource> found;
  if (routes_)
    found = grpc_listeners(
        *routes_, [this](const std::string& name) { return ads_.wants(kListeners, name); });
  for (auto& [name, listener] : found)
    if (std::exchange(listeners_[name], listener.version) != listener.version)
      ads_.offer(kListeners, name, listener.version, std::move(listener.body));
  std::erase_if(listeners_, [&](const auto& item) {
    if (found.contains(item.first)) return false;
    ads_.withdraw(kListeners, item.first);
    return true;
  });
}

void XdsStream::refused(size_t type, const std::string& reason) {
  const auto& refused = ads_.refused(type);
  if (type >= kTypes) {
    log::warning("xds: a secret is refused", {{"node", node_.words.id}, {"reason", reason}});
    return;
  }
  if (node_.proxyless && type == kListeners)  // made of these
    return publisher_.provider(Type::Routes)
        .on_nack(*watches_[kRoutes], kOutbound, routes_version_, reason);
  // All of a response is refused; the reason tells which of it is wrong.
  const bool named = std::any_of(refused.begin(), refused.end(), [&](const auto& item) {
    return reason.find(item.first) != std::string::npos;
  });
  auto& provider = publisher_.provider(static_cast<Type>(type));
  size_t told = 0;
  for (const auto& [name, version] : refused) {
    if (named && reason.find(name) == std::string::npos) continue;
    if (told++ == kRefusedMax) break;
    provider.on_nack(*watches_[type], name, version, reason);
  }
}

void XdsStream::flush() {
  while (!closed_ && call_.buffered() <= kQueuedMax) {
    const auto response = ads_.next();
    if (!response) break;
    call_.send(*response);
  }
  if (!closed_) tell_settled();
}

void XdsStream::tell_settled() {
  bool any = false;
  for (size_t i = 0; i < kTypes; ++i) {
    if (!watches_[i]) continue;
    std::string generation = watches_[i]->take_settled();
    if (generation.empty()) continue;
    any = true;
    watches_[i]->settled = std::move(generation);
    publisher_.provider(static_cast<Type>(i)).on_ack(*watches_[i], watches_[i]->settled);
  }
  if (!any) return;
  const Watch* first = nullptr;
  for (const auto& watch : watches_) {
    if (!watch) continue;
    if (first == nullptr) first = watch.get();
    if (watch->settled != first->settled) return;
  }
  if (first == nullptr) return;
  for (size_t i = 0; i < kTypes; ++i)
    if (watches_[i])
      return publisher_.provider(static_cast<Type>(i)).on_in_force(*watches_[i], first->settled);
}

}  // namespace mesh::discoveryd
