#include "http/multipart.h"

#include <algorithm>

#include "base/strings.h"

namespace tidegate::http {
namespace {

constexpr std::size_t kBoundaryMax = 70;  // RFC 2046, 5.1.1.

bool is_boundary_char(char one) {
    constexpr std::string_view kMarks = "'()+_,-./:=? ";
    return (one >= '0' && one <= '9') || (one >= 'a' && one <= 'z') || (one >= 'A' && one <= 'Z') ||
           kMarks.contains(one);
}

/// The value of `; name=value` behind the first `;` of a field; quotes and backslashes off. Nothing: it is not there, or broken.
std::optional<std::string> parameter_of(std::string_view field, std::string_view name) {
    std::size_t at = field.find(';');
    while (at != std::string_view::npos && at < field.size()) {
        ++at;
        const std::size_t equals = field.find_first_of("=;", at);
        if (equals == std::string_view::npos) return std::nullopt;
        if (field[equals] == ';') {
            at = equals;
            continue;
        }
        const std::string_view key = trim(field.substr(at, equals - at));
        std::string value;
        at = equals + 1;
        while (at < field.size() && (field[at] == ' ' || field[at] == '\t')) ++at;
        if (at < field.size() && field[at] == '"') {
            for (++at; at < field.size() && field[at] != '"'; ++at) {
                // A path of Windows has single ones, which are no escapes.
                const bool escapes = field[at] == '\\' && at + 1 < field.size();
                if (escapes && (field[at + 1] == '"' || field[at + 1] == '\\')) ++at;
                value += field[at];
            }
            if (at == field.size()) return std::nullopt;
            at = field.find(';', at);
        } else {
            const std::size_t end = std::min(field.find(';', at), field.size());
            value = trim(field.substr(at, end - at));
            at = end;
        }
        if (iequals(key, name)) return value;
    }
    return std::nullopt;
}

Result<PartHead> read_head(std::string_view text) {
    PartHead head;
    bool is_field = false;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find("\r\n"), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 2, text.size()));
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0) {
            return fail(ErrorCode::kInvalidArgument, "A part of the form has a broken head.");
        }
        const std::string_view name = line.substr(0, colon);
        const std::string_view value = trim(line.substr(colon + 1));
        if (iequals(name, "Content-Disposition")) {
            const std::string_view kind = trim(value.substr(0, value.find(';')));
            head.name = parameter_of(value, "name").value_or("");
            head.file_name = parameter_of(value, "filename");
            is_field = iequals(kind, "form-data") && !head.name.empty();
        } else if (iequals(name, "Content-Type")) {
            head.content_type = value;
        } else if (iequals(name, "Content-Transfer-Encoding") && !iequals(value, "binary") && !iequals(value, "8bit") &&
                   !iequals(value, "7bit")) {
            return fail(ErrorCode::kInvalidArgument, "A part of the form is encoded; RFC 7578 knows none.");
        }
    }
    if (!is_field) return fail(ErrorCode::kInvalidArgument, "A part of the form has no name.");
    return head;
}

}  // namespace

Result<std::string> multipart_boundary(std::string_view content_type) {
    if (!iequals(trim(content_type.substr(0, content_type.find(';'))), "multipart/form-data")) {
        return fail(ErrorCode::kUnsupportedMedia, "The body must be multipart/form-data.");
    }
    auto boundary = parameter_of(content_type, "boundary");
    if (!boundary || boundary->empty() || boundary->size() > kBoundaryMax || boundary->ends_with(' ') ||
        !std::ranges::all_of(*boundary, is_boundary_char)) {
        return fail(ErrorCode::kInvalidArgument, "Content-Type names no boundary of 1 to 70 characters.");
    }
    return *std::move(boundary);
}

MultipartReader::MultipartReader(std::string_view boundary, MultipartLimits limits, PartHandler& handler)
    : delimiter_("\r\n--" + std::string(boundary)), limits_(limits), handler_(handler), held_("\r\n") {}

Result<void> MultipartReader::feed(std::string_view bytes) {
    if (failure_) return std::unexpected(*failure_);
    if (state_ == State::kEpilogue) return {};  // Behind the closing boundary nothing counts.
    held_.append(bytes);
    for (;;) {
        const auto stepped = step();
        if (!stepped) {
            failure_ = stepped.error();
            held_.clear();
            return std::unexpected(*failure_);
        }
        if (!*stepped) return {};
    }
}

Result<void> MultipartReader::finish() {
    if (failure_) return std::unexpected(*failure_);
    if (state_ == State::kEpilogue) return {};
    failure_ = Error{ErrorCode::kInvalidArgument, "The form ends before its closing boundary."};
    return std::unexpected(*failure_);
}

/// One step of what is held; false: it takes more bytes.
Result<bool> MultipartReader::step() {
    switch (state_) {
        case State::kPreamble:
            return pass_preamble();
        case State::kBoundaryEnd:
            return end_boundary();
        case State::kHead:
            return take_head();
        case State::kData:
            return take_data();
        case State::kEpilogue:
            break;
    }
    held_.clear();
    return false;
}

Result<bool> MultipartReader::pass_preamble() {
    const std::size_t found = held_.find(delimiter_);
    if (found <= limits_.head_bytes_max) {
        held_.erase(0, found + delimiter_.size());
        state_ = State::kBoundaryEnd;
        return true;
    }
    // Nobody writes one; what is no form at all should be told soon. (Not found is more than any limit.)
    if (held_.size() >= limits_.head_bytes_max + delimiter_.size()) {
        return fail(ErrorCode::kInvalidArgument, "The body does not begin with the boundary that Content-Type names.");
    }
    return false;
}

Result<bool> MultipartReader::end_boundary() {
    if (held_.starts_with("--")) {
        state_ = State::kEpilogue;
        return true;
    }
    // Blanks may stand behind a boundary.
    const std::size_t text = held_.find_first_not_of(" \t");
    if (std::min(text, held_.size()) > limits_.head_bytes_max) {
        return fail(ErrorCode::kTooLarge, "A line of the form is too long.");
    }
    if (text == std::string::npos || held_.size() < text + 2) return false;
    if (held_.compare(text, 2, "\r\n") != 0) {
        return fail(ErrorCode::kInvalidArgument, "A boundary of the form has something behind it.");
    }
    // The line break stays: a part without fields begins with the empty line at once.
    held_.erase(0, text);
    state_ = State::kHead;
    return true;
}

Result<bool> MultipartReader::take_head() {
    constexpr std::string_view kHeadEnd = "\r\n\r\n";
    const std::size_t end = held_.find(kHeadEnd);
    // Without the part of its end that may have come already: the same wherever the pieces are cut.
    if (std::min(end, held_.size() - std::min(held_.size(), kHeadEnd.size() - 1)) > limits_.head_bytes_max) {
        return fail(ErrorCode::kTooLarge, "The head of a part of the form is too long.");
    }
    if (end == std::string::npos) return false;
    // Behind its boundary's line break stand its fields, each with its own, then an empty line.
    if (++parts_ > limits_.parts_max) return fail(ErrorCode::kTooLarge, "The form has too many parts.");
    TG_TRY(const PartHead head, read_head(end == 0 ? std::string_view() : std::string_view(held_).substr(2, end - 2)));
    TG_CHECK(handler_.on_part(head));
    held_.erase(0, end + kHeadEnd.size());
    state_ = State::kData;
    return true;
}

Result<bool> MultipartReader::take_data() {
    const std::size_t found = held_.find(delimiter_);
    if (found != std::string::npos) {
        if (found > 0) TG_CHECK(handler_.on_data(std::string_view(held_).substr(0, found)));
        TG_CHECK(handler_.on_part_end());
        held_.erase(0, found + delimiter_.size());
        state_ = State::kBoundaryEnd;
        return true;
    }
    // The last bytes may be the beginning of a boundary.
    const std::size_t kept = std::min(held_.size(), delimiter_.size() - 1);
    const std::size_t sure = held_.size() - kept;
    if (sure > 0) {
        TG_CHECK(handler_.on_data(std::string_view(held_).substr(0, sure)));
        held_.erase(0, sure);
    }
    return false;
}

}  // namespace tidegate::http
