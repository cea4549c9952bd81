// TLS 1.2 and 1.3 on a non-blocking socket (OpenSSL).
//
// Guarantee   Nothing older than TLS 1.2, no renegotiation, no compression; ALPN answers http/1.1 and refuses
// a client that
//             offers only other protocols (RFC 7301).
// Memory      Record buffers are released between records (SSL_MODE_RELEASE_BUFFERS).
// Threads     The context may be shared by all loops; a transport belongs to one.
#pragma once

#include <memory>

#include "base/result.h"
#include "http/server.h"
#include "http/transport.h"

namespace tidegate::http {

class TlsContext {
  public:
    /// kInvalidArgument when the certificate or the key cannot be read or do not belong together.
    static Result<std::unique_ptr<TlsContext>> create(const TlsFiles& files);
    virtual ~TlsContext() = default;
    /// Owns the socket from here on; null when memory is short (the socket is closed then).
    virtual std::unique_ptr<Transport> accept(int socket) = 0;
};

}  // namespace tidegate::http
