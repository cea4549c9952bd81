// The words of HTTP that every room above shares: method, headers, request, response.
//
// Threads     Plain values without locks; one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/headers.h"

namespace tidegate::http {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions, kOther };
std::string_view to_string(Method method) noexcept;

/// What stood before the body. `path` is percent-decoded and free of `.` and `..` segments; `query` is raw.
struct RequestHead {
    Method method = Method::kOther;
    std::string method_text;
    std::string target;
    std::string path;
    std::string query;
    Headers headers;
    std::string peer_address;    // Numeric, without the port.
    std::string client_address;  // What a trusted proxy says of whom it stands for; empty: the peer speaks for itself.
    bool peer_trusted = false;   // A proxy that server.trusted_proxies names.
    bool tls = false;
    std::optional<std::uint64_t> content_length;  // Absent without a body or with a chunked one.
    bool chunked = false;
    bool http_1_1 = true;        // False: HTTP/1.0.
    bool wants_upgrade = false;  // An Upgrade field that Connection names; Exchange::start_tunnel() may follow.
    /// Who asks, as numeric text: the peer, or the client that a trusted proxy names.
    const std::string& client() const noexcept { return client_address.empty() ? peer_address : client_address; }
    bool has_body() const noexcept { return chunked || content_length.value_or(0) > 0; }
};

/// The value of the first `name` in a raw query, decoded; nullopt when absent or broken.
std::optional<std::string> query_value(std::string_view query, std::string_view name);
/// All pairs of a raw query, decoded; nullopt when an escape is broken.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

/// Keeps somebody's counted thing alive, without memory of its own: what a Response lends bytes of.
class Keeper {
  public:
    struct Ways {
        void (*hold)(const void* thing) noexcept;
        void (*drop)(const void* thing) noexcept;
    };
    Keeper() = default;
    /// Takes one more hold of `thing`. `ways` is static.
    Keeper(const void* thing, const Ways& ways) noexcept : thing_(thing), ways_(&ways) { ways.hold(thing); }
    Keeper(const Keeper& other) noexcept : thing_(other.thing_), ways_(other.ways_) {
        if (thing_ != nullptr) ways_->hold(thing_);
    }
    Keeper(Keeper&& other) noexcept : thing_(std::exchange(other.thing_, nullptr)), ways_(other.ways_) {}
    Keeper& operator=(Keeper other) noexcept {
        std::swap(thing_, other.thing_);
        std::swap(ways_, other.ways_);
        return *this;
    }
    ~Keeper() {
        if (thing_ != nullptr) ways_->drop(thing_);
    }

  private:
    const void* thing_ = nullptr;
    const Ways* ways_ = nullptr;
};

struct Response {
    int status = 200;
    Headers headers;  // Content-Length, Connection and (without has_date) Date are written by the server.
    std::string body;
    /// When set, sent instead of `body`, without a copy (static files, pre-built documents).
    std::shared_ptr<const std::string> shared_body;
    bool close = false;  // Close the connection after this answer.
    /// Date stands in `headers` or `shared_head` (a proxy keeps the origin's): the server adds none.
    bool has_date = false;
    /// Complete lines `Name: value\r\n`, sent as they are before `headers`: whoever made them has seen to it that they are
    /// well-formed and that none of them is Content-Length, Transfer-Encoding, Connection or Keep-Alive.
    std::shared_ptr<const std::string> shared_head = nullptr;
    /// Of a stream: how long its body will be. Of an answer to HEAD and of a 304: the length of what is not sent; absent
    /// from a 304 it is not said, absent from a HEAD it is that of the body given here. Otherwise unused: the body tells.
    std::optional<std::uint64_t> content_length = std::nullopt;
    /// As shared_head and shared_body, lent by whatever `keeper` keeps alive; a body is sent that is not null. It is copied behind
    /// the head, so it should be small.
    std::string_view lent_head{};
    std::string_view lent_body{};
    Keeper keeper{};

    std::string_view payload() const noexcept {
        if (lent_body.data() != nullptr) return lent_body;
        return shared_body ? std::string_view(*shared_body) : std::string_view(body);
    }
};

/// `OK`, `Not Found`, ...; empty for a code we do not send.
std::string_view reason_phrase(int status) noexcept;

}  // namespace tidegate::http
