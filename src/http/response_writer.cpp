#include "http/response_writer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/strings.h"

namespace tidegate::http {
namespace {

void append_number(std::string& out, std::uint64_t value) {
    std::array<char, 20> digits;
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

void append_clean(std::string& out, std::string_view text) {
    const std::size_t start = out.size();
    out.append(text);
    for (std::size_t i = start; i < out.size(); ++i) {
        const auto c = static_cast<unsigned char>(out[i]);
        if ((c < 0x20 && c != '\t') || c == 0x7F) out[i] = ' ';
    }
}

bool is_ours(std::string_view name, bool has_date) noexcept {
    switch (name.size()) {
        case 4:
            return !has_date && iequals(name, "date");
        case 10:
            return iequals(name, "connection") || iequals(name, "keep-alive");
        case 14:
            return iequals(name, "content-length");
        case 17:
            return iequals(name, "transfer-encoding");
        default:
            return false;
    }
}

void append_status_line(std::string& out, int status) {
    out.append("HTTP/1.1 ");
    append_number(out, static_cast<std::uint64_t>(status));
    out.push_back(' ');
    out.append(reason_phrase(status));
    out.append("\r\n");
}

void append_fields(std::string& out, const Headers& headers, bool has_date) {
    const bool ours =
        std::ranges::any_of(headers.fields(), [&](const auto& field) { return is_ours(field.first, has_date); });
    const auto lines = headers.lines();
    if (lines && !ours && headers.is_plain()) {
        out.append(*lines);
        return;
    }
    for (std::size_t i = 0; i < headers.size(); ++i) {
        if (is_ours(headers.field(i).first, has_date)) continue;
        if (headers.is_plain()) {
            out.append(headers.line(i));
            continue;
        }
        const auto [name, value] = headers.field(i);
        append_clean(out, name);
        out.append(": ");
        append_clean(out, value);
        out.append("\r\n");
    }
}

}  // namespace

void ResponseWriter::refresh_date() {
    if (!date_line_.empty() && now_ - rendered_at_ < std::chrono::seconds(1)) return;
    const UnixMillis civil = clock_.unix_ms();
    // Aligned to the civil second, so that Date is never a second behind.
    rendered_at_ = now_ - std::chrono::milliseconds(civil % 1000);
    date_line_ = "Date: " + format_http_date(civil) + "\r\n";
}

void ResponseWriter::write_head(std::string& out, const Response& response, const HeadOptions& options) {
    if (response.status == 200) {
        out.append("HTTP/1.1 200 OK\r\n");
    } else {
        append_status_line(out, response.status);
    }
    if (!response.has_date) {
        refresh_date();
        out.append(date_line_);
    }
    out.append(response.lent_head);
    if (response.shared_head) out.append(*response.shared_head);
    append_fields(out, response.headers, response.has_date);
    if (options.content_length) {
        out.append("Content-Length: ");
        append_number(out, *options.content_length);
        out.append("\r\n");
    }
    if (options.chunked) out.append("Transfer-Encoding: chunked\r\n");
    if (options.upgrade) {
        out.append("Connection: Upgrade\r\n");
    } else if (options.close) {
        out.append("Connection: close\r\n");
    } else if (options.say_keep_alive) {
        out.append("Connection: keep-alive\r\n");
    }
    out.append("\r\n");
}

void ResponseWriter::write_interim(std::string& out, int status, const Headers& headers) {
    append_status_line(out, status);
    append_fields(out, headers, true);
    out.append("\r\n");
}

}  // namespace tidegate::http
