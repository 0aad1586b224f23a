// What OpenSSL calls back, joined to Context and Session. For this module's
// own files.
#pragma once

struct ssl_ctx_st;
struct ssl_st;

namespace mesh::tls {

class Context;
class Session;

// Sets the callbacks (verification, ALPN) of a new context. `context` outlives
// `ctx`.
void hook_context(ssl_ctx_st* ctx, const Context& context);

// Has each session of a server's context choose among several certificates. `context` outlives
// `ctx`.
void hook_certificates(ssl_ctx_st* ctx, const Context& context);

// Gives a session's ssl a BIO over its socket, and makes the session known to
// the callbacks. False when there is no memory.
bool hook_session(ssl_st* ssl, Session& session);

// How OpenSSL's callbacks see the inside of a context and a session.
struct Hooks;

}  // namespace mesh::tls
