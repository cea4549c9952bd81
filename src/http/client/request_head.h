// The head of a request as bytes.
//
// Guarantee   Nothing that a caller put into a field, the method or the target can begin a line of its own: whatever is not
//             allowed there by RFC 9110 refuses the request. The framing is written here and nowhere else.
#pragma once

#include <string>

#include "base/result.h"
#include "http/client/client.h"

namespace tidegate::http {

/// kInvalidArgument with what is wrong; never a byte of the request in it.
Result<std::string> write_request_head(const Origin& origin, const ClientRequest& request);

/// Asking twice is as good as once (RFC 9110, 9.2.2).
bool is_idempotent(std::string_view method) noexcept;

}  // namespace tidegate::http
