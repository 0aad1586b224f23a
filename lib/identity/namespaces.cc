#include "identity/namespaces.h"

#include <algorithm>

#include "base/text.h"

namespace mesh::identity {
namespace {

constexpr const char* kOid = "2.25.218235577990464234782237187483956003356";

using Object = openssl::Owner<ASN1_OBJECT, ASN1_OBJECT_free>;
using Octets = openssl::Owner<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;
using Utf8 = openssl::Owner<ASN1_UTF8STRING, ASN1_UTF8STRING_free>;

Object oid() { return Object(OBJ_txt2obj(kOid, 1)); }

// A namespace stands between slashes in an identity.
bool valid(const std::string& name) { return bool(SpiffeId::for_workload("td", name, "a")); }

}  // namespace

Result<openssl::Extension> namespaces_extension(const std::vector<std::string>& namespaces) {
  if (namespaces.empty()) return openssl::Extension();
  if (namespaces.size() > kNamespacesMax) return Error{Errc::TooBig, "over 64 namespaces"};
  std::string list;
  for (const std::string& name : namespaces) {
    if (!valid(name)) return Error{Errc::Invalid, text::quoted(name) + " is no namespace"};
    list += (list.empty() ? "" : ",") + name;
  }
  const Utf8 text(ASN1_UTF8STRING_new());
  const Octets octets(ASN1_OCTET_STRING_new());
  if (!text || !octets || ASN1_STRING_set(text.get(), list.data(), int(list.size())) != 1)
    return openssl::error(Errc::Internal, "bound to namespaces");
  const std::string der = openssl::to_der(text.get(), i2d_ASN1_UTF8STRING);
  openssl::Extension extension;
  if (ASN1_OCTET_STRING_set(octets.get(), openssl::bytes_of(der), int(der.size())) == 1)
    extension.reset(X509_EXTENSION_create_by_OBJ(nullptr, oid().get(), 0, octets.get()));
  if (!extension) return openssl::error(Errc::Internal, "bound to namespaces");
  return extension;
}

Result<std::optional<std::vector<std::string>>> read_namespaces(const X509* x509) {
  const Object kind = oid();
  const int at = X509_get_ext_by_OBJ(x509, kind.get(), -1);
  if (at < 0) return std::optional<std::vector<std::string>>();
  const Error unreadable{Errc::Invalid, "certificate: its bound to namespaces cannot be read"};
  if (X509_get_ext_by_OBJ(x509, kind.get(), at) >= 0) return unreadable;
  const ASN1_OCTET_STRING* data = X509_EXTENSION_get_data(X509_get_ext(x509, at));
  const unsigned char* begin = ASN1_STRING_get0_data(data);
  const unsigned char* p = begin;
  const int size = ASN1_STRING_length(data);
  const Utf8 text(d2i_ASN1_UTF8STRING(nullptr, &p, size));
  if (!text || p != begin + size) {
    ERR_clear_error();
    return unreadable;
  }
  const std::string_view list(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text.get())),
                              size_t(ASN1_STRING_length(text.get())));
  std::vector<std::string> names;
  for (const std::string_view name : text::split(list, ',')) {
    if (names.size() == kNamespacesMax || !valid(std::string(name))) return unreadable;
    names.emplace_back(name);
  }
  return std::optional(std::move(names));
}

bool may_name(const Certificate& issuer, const SpiffeId& id) {
  const auto& bound = issuer.namespaces();
  if (!bound) return true;
  const auto workload = id.workload();
  return workload && std::find(bound->begin(), bound->end(), workload->ns) != bound->end();
}

Result<void> check_bounds(X509_STORE_CTX* context, const SpiffeId& id) {
  STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(context);
  for (int i = 1; i < sk_X509_num(chain); ++i) {
    X509* const native = sk_X509_value(chain, i);
    const auto bound = read_namespaces(native);
    if (!bound) return Error{Errc::Refused, bound.error().text};
    if (!*bound) continue;
    X509_up_ref(native);
    const auto issuer = Certificate::adopt(native);
    if (!issuer || !may_name(*issuer, id))
      return Error{Errc::Refused, "certificate of " + id.uri() +
                                      " is signed by an issuer that may not name its namespace"};
  }
  return {};
}

}  // namespace mesh::identity
