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

namespace tidegate::http {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions, kOther };
std::string_view to_string(Method method) noexcept;

/// Header fields in the order they came. Names compare without regard to case.
class Headers {
  public:
    using Field = std::pair<std::string, std::string>;
    void add(std::string_view name, std::string_view value) {
        if (fields_.capacity() == 0) fields_.reserve(8);  // What an answer has, in one allocation.
        fields_.emplace_back(name, value);
    }
    /// Replaces every field of that name.
    void set(std::string_view name, std::string_view value);
    void remove(std::string_view name);
    /// The first field of that name.
    std::optional<std::string_view> get(std::string_view name) const noexcept;
    std::size_t count(std::string_view name) const noexcept;
    const std::vector<Field>& fields() const noexcept { return fields_; }
    void clear() noexcept { fields_.clear(); }

  private:
    std::vector<Field> fields_;
};

/// What stood before the body. `path` is percent-decoded and free of `.` and `..` segments; `query` is raw.
struct RequestHead {
    Method method = Method::kOther;
    std::string method_text;
    std::string target;
    std::string path;
    std::string query;
    Headers headers;
    std::string peer_address;  // Numeric, without the port.
    bool tls = false;
    std::optional<std::uint64_t> content_length;  // Absent without a body or with a chunked one.
    bool chunked = false;
    bool http_1_1 = true;        // False: HTTP/1.0.
    bool wants_upgrade = false;  // An Upgrade field that Connection names; Exchange::start_tunnel() may follow.
    bool has_body() const noexcept { return chunked || content_length.value_or(0) > 0; }
};

/// The value of the first `name` in a raw query, decoded; nullopt when absent or broken.
std::optional<std::string> query_value(std::string_view query, std::string_view name);
/// All pairs of a raw query, decoded; nullopt when an escape is broken.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

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
};

/// `OK`, `Not Found`, ...; empty for a code we do not send.
std::string_view reason_phrase(int status) noexcept;

}  // namespace tidegate::http
