// Cors: which pages of other origins may ask, and read the answers (WHATWG Fetch, CORS protocol).
//
// Guarantee   Closed unless origins are set. Never `*` together with credentials; an origin is compared byte for byte, `null`
//             is never allowed. Where the answer depends on the origin it says so (`Vary: Origin`), allowed or not.
// Threads     Immutable; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"
#include "pipeline/identity/settings.h"

namespace tidegate::pipeline {

class Cors {
  public:
    /// kInvalidArgument: an origin that no browser could send, `*` with credentials, a field name that is none.
    static Result<Cors> create(const CorsSettings& settings);

    bool is_open() const noexcept { return any_ || !origins_.empty(); }

    struct Preflight {
        bool allowed = false;
        http::Headers headers;  // Of the answer: 204 when allowed, else 403 with the usual problem document.
    };
    /// The answer to a preflight request; nothing when it is none (not OPTIONS, no `Origin` or no
    /// `Access-Control-Request-Method`) or when CORS is closed: go on as without. `methods`: what the path takes, as for
    /// `Allow`.
    std::optional<Preflight> preflight(http::Method method, const http::Headers& request,
                                       std::string_view methods) const;
    /// Adds what any other answer needs, refusals included: a page must be able to read why it was refused.
    void decorate(const http::Headers& request, http::Headers& response) const;

  private:
    bool allows(std::string_view origin) const noexcept;
    void add_origin(std::string_view origin, http::Headers& response) const;

    bool any_ = false;
    bool credentials_ = false;
    std::vector<std::string> origins_;
    std::string allowed_headers_;
    std::string exposed_headers_;
    std::string max_age_s_;
};

}  // namespace tidegate::pipeline
