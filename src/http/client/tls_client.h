// TLS 1.2 and 1.3 towards an upstream (OpenSSL).
//
// Guarantee   With `verify`, a connection stands only when the chain ends in a trusted certificate and the certificate is for
//             the name asked for (RFC 9525; an address is compared with the addresses in it). Nothing older than TLS 1.2.
// Memory      Record buffers are released between records.
// Threads     A context is made on a worker thread, because it reads files, and used by one loop.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "http/transport.h"

namespace tidegate::http {

class TlsClientTransport : public Transport {
  public:
    /// One step of the handshake: kOk when it is done; kWouldBlock until then.
    virtual IoStatus handshake() = 0;
    /// Why the handshake failed; no bytes of the other side in it.
    virtual std::string failure() const = 0;
};

class TlsClientContext {
  public:
    /// `ca_file`: PEM; empty: what the system trusts. kInvalidArgument when it cannot be read.
    static Result<std::shared_ptr<TlsClientContext>> create(const std::string& ca_file, bool verify);
    virtual ~TlsClientContext() = default;
    /// Owns the socket from here on; null when memory is short (the socket is closed then).
    virtual std::unique_ptr<TlsClientTransport> connect(int socket, const std::string& name) = 0;
};

}  // namespace tidegate::http
