// Place: where the load goes: addresses found once, TLS context, and a socket to it.
//
// Threads     Immutable after find(); any thread. A TLS context belongs to one thread: each makes its own.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "http/client/addresses.h"
#include "http/client/client.h"
#include "http/client/tls_client.h"

namespace tidegate::load {

struct Place {
    http::Origin origin;
    http::Address address;
    std::string authority;  // What stands in Host.
    std::string url;        // As it was given.

    /// Looks up the name and takes its first address that accepts a connection. kUnavailable: none does.
    static Result<Place> find(const std::string& url, const std::string& ca_file, bool verify);
    /// Null without TLS.
    Result<std::shared_ptr<http::TlsClientContext>> tls() const;
    /// A socket whose connect() is under way, without delay by Nagle; -1: errno says why there is none.
    int connect() const noexcept;
};

}  // namespace tidegate::load
