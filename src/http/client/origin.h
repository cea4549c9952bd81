// Small things about Origin that the parts of the client share.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "http/client/client.h"

namespace tidegate::http {

struct OriginHash {
    std::size_t operator()(const Origin& origin) const noexcept {
        // The other members rarely differ where host and port are equal.
        return std::hash<std::string>()(origin.host) * 31 + origin.port;
    }
};

/// `host`, `host:8080`, `[::1]`: what stands in Host. The port is left out where the scheme implies it.
std::string authority_of(const Origin& origin);

}  // namespace tidegate::http
