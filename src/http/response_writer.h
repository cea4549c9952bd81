// ResponseWriter: turns a Response into the bytes of its head; keeps the Date line of the second.
//
// Guarantee   Content-Length, Transfer-Encoding, Connection, Keep-Alive and (without has_date) Date are the server's: the
//             application's are left out. A control character in a name or value becomes a blank, so that no value can end
//             a line. Response::shared_head alone is taken as it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "http/message.h"

namespace tidegate::http {

struct HeadOptions {
    /// Absent: no Content-Length (204, 304, a stream).
    std::optional<std::uint64_t> content_length;
    bool chunked = false;
    bool close = false;
    /// `Connection: Upgrade`, of a 101.
    bool upgrade = false;
    /// Say `keep-alive` aloud: an HTTP/1.0 client that asked for it.
    bool say_keep_alive = false;
};

class ResponseWriter {
  public:
    /// `now` is the loop's cached time; it outlives the writer.
    ResponseWriter(const Clock& clock, const SteadyTime& now) : clock_(clock), now_(now) {}
    void write_head(std::string& out, const Response& response, const HeadOptions& options);
    /// The whole of an interim answer (102, 103).
    static void write_interim(std::string& out, int status, const Headers& headers);

  private:
    /// Renders the Date line when a second has passed.
    void refresh_date();

    const Clock& clock_;
    const SteadyTime& now_;
    SteadyTime rendered_at_ = SteadyTime::min();
    std::string date_line_;
};

/// 1xx, 204 and 304 never have a body.
constexpr bool status_forbids_body(int status) noexcept {
    return status < 200 || status == 204 || status == 304;
}

}  // namespace tidegate::http
