// What a Redis is reached by, and the name of a script.
#include <openssl/evp.h>

#include <array>
#include <limits>

#include "base/assert.h"
#include "base/hash.h"
#include "base/strings.h"
#include "store/redis.h"

namespace tidegate::store {
namespace {

constexpr std::string_view kScheme = "redis://";

std::unexpected<Error> bad(std::string_view what) {
    return fail(ErrorCode::kInvalidArgument, "redis URL: " + std::string(what));
}

Result<void> read_user(std::string_view text, RedisOptions& out) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return bad("a user needs a password: `user:password@` or `:password@`");
    const auto user = percent_decode(text.substr(0, colon), false);
    const auto password = percent_decode(text.substr(colon + 1), false);
    if (!user || !password) return bad("the user or password has a broken %-escape");
    if (password->empty()) return bad("the password is empty");
    out.username = *user;
    out.password = *password;
    return {};
}

Result<void> read_host(std::string_view text, RedisOptions& out) {
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) return bad("`[` without `]`");
        out.host = text.substr(1, end - 1);
        port = text.substr(end + 1);
        if (!port.empty() && port[0] != ':') return bad("something between `]` and the port");
    } else {
        const std::size_t colon = text.find(':');
        out.host = text.substr(0, colon);
        if (colon != std::string_view::npos) port = text.substr(colon);
    }
    if (out.host.empty()) return bad("no host");
    for (const char c : out.host) {
        if (c <= ' ' || c > '~' || c == '@') return bad("a character that no host has");
    }
    if (port.empty()) return {};
    const auto number = parse_u64(port.substr(1));
    if (!number || *number == 0 || *number > std::numeric_limits<std::uint16_t>::max()) {
        return bad("the port is not 1 to 65535");
    }
    out.port = static_cast<std::uint16_t>(*number);
    return {};
}

}  // namespace

Result<RedisOptions> parse_redis_url(std::string_view url) {
    if (url.starts_with("rediss://")) return bad("TLS (`rediss://`) is not supported");
    if (!url.starts_with(kScheme)) return bad("it does not begin with `redis://`");
    std::string_view rest = url.substr(kScheme.size());
    if (rest.find_first_of("?#") != std::string_view::npos) return bad("a query or a fragment is not understood");
    RedisOptions options;
    // The last `@`: an unescaped one in a password is taken as meant.
    if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
        TG_CHECK(read_user(rest.substr(0, at), options));
        rest = rest.substr(at + 1);
    }
    if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
        const std::string_view path = rest.substr(slash + 1);
        const auto number = parse_u64(path);
        if (!path.empty() && (!number || *number > std::numeric_limits<std::int32_t>::max())) {
            return bad("the database is not a number");
        }
        options.database = static_cast<std::uint32_t>(number.value_or(0));
        rest = rest.substr(0, slash);
    }
    TG_CHECK(read_host(rest, options));
    return options;
}

RedisScript::RedisScript(std::string_view source) : source_(source) {
    // SHA-1 is the name Redis gives a script; nothing here depends on its strength.
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    TG_ASSERT(EVP_Digest(source.data(), source.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1);
    sha1_ = to_hex(digest.data(), size);
}

}  // namespace tidegate::store
