#include "client/cert_client.h"

#include <algorithm>
#include <cstdio>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "identity/csr.h"
#include "mesh/certd.pb.h"

namespace mesh::client {
namespace {

namespace msg = mesh::certd::v1;
using identity::Certificate;
using identity::Svid;
using identity::TrustBundle;

constexpr const char* kBundleType = "type.googleapis.com/mesh.certd.v1.Bundle";
constexpr const char* kSvidType = "type.googleapis.com/mesh.certd.v1.Svid";
constexpr size_t kPemBytesMax = 1024 * 1024;
constexpr size_t kTokenBytesMax = 256;
constexpr std::chrono::seconds kEnrollDeadline{5};
constexpr std::chrono::milliseconds kBackOffLeast{250};
constexpr std::chrono::seconds kBackOffMost{15};
constexpr std::chrono::minutes kGuardMost{1};
constexpr std::chrono::milliseconds kGuardLeast{500};

template <class Ders>
Result<std::vector<Certificate>> certificates_of(const Ders& ders) {
  std::vector<Certificate> all;
  for (const std::string& der : ders) {
    MESH_TRY(Certificate one, Certificate::from_der(der));
    all.push_back(std::move(one));
  }
  return all;
}

Result<TrustBundle> bundle_of(const msg::Bundle& message) {
  MESH_TRY(auto roots, certificates_of(message.root_der()));
  return TrustBundle::make(message.trust_domain(), std::move(roots));
}

Result<std::vector<Certificate>> read_certificates(const std::string& path) {
  MESH_TRY(const std::string pem, file::read(path, kPemBytesMax));
  auto all = identity::certificates_from_pem(pem);
  if (!all) return std::move(all).error().during(path);
  return all;
}

bool same(const TrustBundle& a, const TrustBundle& b) {
  return a.trust_domain() == b.trust_domain() &&
         std::equal(a.roots().begin(), a.roots().end(), b.roots().begin(), b.roots().end(),
                    [](const Certificate& x, const Certificate& y) {
                      return x.fingerprint() == y.fingerprint();
                    });
}

}  // namespace

class CertClient::BundleSink final : public bus::Sink {
 public:
  explicit BundleSink(CertClient& owner) : owner_(owner) {}
  Result<void> on_update(const bus::Update& update, std::vector<bus::Rejection>&) override {
    for (const bus::Resource& resource : update.changed) {
      msg::Bundle message;
      if (!message.ParseFromArray(resource.body.data(), int(resource.body.size())))
        return Error{Errc::Invalid, "the bundle does not parse"};
      MESH_TRY(TrustBundle bundle, bundle_of(message));
      MESH_TRY_VOID(owner_.take_bundle(std::move(bundle)));
    }
    return {};
  }

 private:
  CertClient& owner_;
};

class CertClient::SvidSink final : public bus::Sink {
 public:
  explicit SvidSink(CertClient& owner) : owner_(owner) {}
  Result<void> on_update(const bus::Update& update, std::vector<bus::Rejection>&) override {
    for (const bus::Resource& resource : update.changed) {
      msg::Svid message;
      if (!message.ParseFromArray(resource.body.data(), int(resource.body.size())))
        return Error{Errc::Invalid, "the certificate does not parse"};
      MESH_TRY(auto chain, certificates_of(message.chain_der()));
      MESH_TRY(Svid svid, owner_.checked(std::move(chain)));
      MESH_TRY_VOID(owner_.take_svid(std::move(svid)));
    }
    // certd does not know our key: it is new, or lost its state.
    if (!update.removed.empty()) owner_.enroll_soon(Duration::zero());
    return {};
  }
  void on_refused(const Error& error) override { owner_.set_trouble(error.text); }

 private:
  CertClient& owner_;
};

CertClient::CertClient(bus::Client& certd, event::Loop& loop, const Clock& clock, Options options,
                       Changed changed)
    : Stub(certd),
      clock_(clock),
      options_(std::move(options)),
      changed_(std::move(changed)),
      random_(Random::from_system()),
      back_off_(kBackOffLeast),
      enroll_timer_(loop, [this] { enroll(); }),
      guard_(loop, [this] { watch_over(); }),
      bundle_sink_(std::make_unique<BundleSink>(*this)),
      svid_sink_(std::make_unique<SvidSink>(*this)) {}

CertClient::~CertClient() = default;

Result<void> CertClient::start() {
  MESH_TRY_VOID(open_key());
  if (auto loaded = load(); !loaded && loaded.error().kind != Errc::NotFound)
    log::warning("certificate on disk not used: enrolling anew", {{"why", loaded.error().text}});
  tell();
  bus::Node node;
  node.id = options_.name;
  node.workload_namespace = options_.workload_namespace;
  bundle_watch_ = client().watch(kBundleType, node, *bundle_sink_, {"default"});
  svid_watch_ = client().watch(kSvidType, node, *svid_sink_, {key_->fingerprint()});
  if (!svid_ || !bundle_) enroll_soon(Duration::zero());
  watch_over();
  return {};
}

// A damaged key is as good as none: the workload enrols with another, as it did at first.
Result<void> CertClient::open_key() {
  const std::string file = path("svid.key");
  auto key = identity::Key::load(file);
  const Errc kind = key ? Errc::Internal : key.error().kind;
  if (kind == Errc::Invalid || kind == Errc::TooBig) {
    const std::string aside = file + ".damaged";
    if (std::rename(file.c_str(), aside.c_str()) != 0) return std::move(key).error();
    log::error("state is damaged: enrolling with a new key",
               {{"what", key.error().text}, {"kept", aside}});
  }
  if (kind == Errc::Invalid || kind == Errc::TooBig || kind == Errc::NotFound) {
    key = identity::Key::generate();
    if (key) MESH_TRY_VOID(key->save(file));
  }
  if (!key) return std::move(key).error();
  key_ = *std::move(key);
  return {};
}

// What an earlier life left. Used only as a whole: a bundle without a chain
// lets nobody in, a chain without a bundle trusts nobody.
Result<void> CertClient::load() {
  MESH_TRY(auto roots, read_certificates(path("bundle.crt")));
  MESH_TRY(auto chain, read_certificates(path("svid.crt")));
  MESH_TRY(Svid svid, checked(std::move(chain)));
  MESH_TRY(TrustBundle bundle,
           TrustBundle::make(std::string(svid.id().trust_domain()), std::move(roots)));
  MESH_TRY_VOID(bundle.verify(svid.chain(), clock_.wall()));
  svid_ = std::move(svid);
  bundle_ = std::move(bundle);
  return {};
}

// ---- Enrolment

void CertClient::enroll_soon(Duration after) {
  if (!enrolling_ && (after == Duration::zero() || !enroll_timer_.armed()))
    enroll_timer_.arm(after);
}

Result<std::string> CertClient::token() const {
  if (options_.token_file.empty()) return std::string();
  auto bytes = file::read_secret(options_.token_file, kTokenBytesMax);
  if (!bytes && bytes.error().kind == Errc::NotFound) return std::string();
  if (!bytes) return std::move(bytes).error();
  while (bytes->ends_with('\n')) bytes->pop_back();
  return bytes;
}

void CertClient::enroll() {
  if (enrolling_) return;
  msg::EnrollRequest request;
  auto token_text = token();
  auto csr = identity::Csr::create(*key_);
  if (!token_text) return on_enrolled_error(token_text.error());
  if (!csr) return on_enrolled_error(csr.error());
  request.set_token(*token_text);
  request.set_csr_der(*csr);
  request.set_name(options_.name);
  enrolling_ = true;
  call<msg::EnrollReply>(request, kEnrollDeadline, [this](Result<msg::EnrollReply> reply) {
    enrolling_ = false;
    if (!reply) return on_enrolled_error(reply.error());
    auto taken = [&]() -> Result<void> {
      MESH_TRY(TrustBundle bundle, bundle_of(reply->bundle()));
      MESH_TRY(auto chain, certificates_of(reply->svid().chain_der()));
      MESH_TRY(Svid svid, checked(std::move(chain)));
      MESH_TRY_VOID(take_bundle(std::move(bundle)));
      return take_svid(std::move(svid));
    }();
    if (!taken) return on_enrolled_error(taken.error());
    log::info("enrolled",
              {{"identity", svid_->id().uri()},
               {"remaining", text::format_age(svid_->leaf().remaining(clock_.wall()))}});
  });
}

void CertClient::on_enrolled_error(const Error& error) {
  set_trouble(error.text);
  // A tenth or so of chance, so that a host of forwarders does not knock at once.
  const double stretch = 0.9 + 0.2 * random_.unit();
  enroll_timer_.arm(Duration(int64_t(double(back_off_.count()) * stretch)));
  back_off_ = std::min<Duration>(back_off_ * 2, kBackOffMost);
}

// ---- What arrives

Result<Svid> CertClient::checked(std::vector<Certificate> chain) const {
  MESH_TRY(Svid svid, Svid::make(*key_, std::move(chain)));
  const auto workload = svid.id().workload();
  const auto differs = [](const std::string& wanted, std::string_view got) {
    return !wanted.empty() && wanted != got;
  };
  if (differs(options_.workload_namespace, workload ? workload->ns : "") ||
      differs(options_.service_account, workload ? workload->service_account : ""))
    return Error{Errc::Refused,
                 "the certificate is of " + svid.id().uri() + ", but the settings say namespace " +
                     options_.workload_namespace + ", service account " + options_.service_account};
  return svid;
}

Result<void> CertClient::take_bundle(TrustBundle bundle) {
  if (bundle_ && same(*bundle_, bundle)) return {};
  MESH_TRY_VOID(file::write(path("bundle.crt"), bundle.pem(), 0644));
  bundle_ = std::move(bundle);
  // Before the first chain, certd can sign now; and one of another root is of no
  // use under this bundle.
  if (!svid_ || !bundle_->verify(svid_->chain(), clock_.wall())) {
    enroll_soon(Duration::zero());
    return {};
  }
  tell();
  return {};
}

Result<void> CertClient::take_svid(Svid svid) {
  if (bundle_) MESH_TRY_VOID(bundle_->verify(svid.chain(), clock_.wall()));
  back_off_ = kBackOffLeast;
  enroll_timer_.cancel();
  set_trouble({});
  if (svid_ && svid_->leaf().fingerprint() == svid.leaf().fingerprint()) return {};
  MESH_TRY_VOID(file::write(path("svid.crt"), identity::to_pem(svid.chain()), 0644));
  svid_ = std::move(svid);
  tell();
  watch_over();
  return {};
}

void CertClient::tell() {
  if (svid_ && bundle_) changed_(*svid_, *bundle_);
}

// Nothing expires without having warned; and when renewal did not come, it is
// asked for.
void CertClient::watch_over() {
  if (!svid_) return;
  const WallTime now = clock_.wall();
  const Certificate& leaf = svid_->leaf();
  const Duration life = leaf.not_after() - leaf.not_before();
  const Duration left = leaf.remaining(now);
  if (left < life / 5) {
    log::warning(left > Duration::zero() ? "certificate ends soon" : "certificate has ended",
                 {{"identity", svid_->id().uri()},
                  {"remaining", left > Duration::zero() ? text::format_age(left) : "none"},
                  {"trouble", trouble_.empty() ? "certd has not renewed it" : trouble_}});
    enroll_soon(Duration::zero());
  }
  guard_.arm(std::clamp<Duration>(life / 10, kGuardLeast, kGuardMost));
}

void CertClient::set_trouble(std::string text) {
  if (text == trouble_) return;
  if (!text.empty()) log::warning("no certificate from certd", {{"why", text}});
  trouble_ = std::move(text);
}

}  // namespace mesh::client
