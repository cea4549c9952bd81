#include "services/content/import.h"

#include <fmt/format.h>

#include <utility>

#include "base/strings.h"
#include "services/content/content_json.h"

namespace tidegate::content {

std::string stored_so_far(const ImportReport& report) {
    if (report.stored + report.updated + report.unchanged == 0) return "Nothing of it was stored.";
    return fmt::format("Of it {} were stored, {} updated and {} unchanged, up to line {}; nothing behind that.",
                       report.stored, report.updated, report.unchanged, report.committed_line);
}

Error Import::too_many() const {
    return {ErrorCode::kTooLarge, fmt::format("More contents than content.import_items_max allows: {}.", items_max_)};
}

void Import::refuse(std::uint64_t line, pipeline::FieldError error) {
    ++report_.failed;
    if (report_.faults.size() < ImportReport::kFaultsMax) report_.faults.push_back({line, std::move(error)});
}

Result<void> Import::take(std::uint64_t line, json::Value value) {
    Content content;
    ++report_.received;
    if (value.kind() != json::Kind::kObject) {
        refuse(line, {"", "is no JSON object", "wrong_type"});
        return {};
    }
    if (auto wrong = read_content(value, content)) {
        refuse(line, *std::move(wrong));
        return {};
    }
    waiting_bytes_ += content.title.size() + content.body.size() + content.metadata.size();
    lines_.push_back(line);
    waiting_.push_back(std::move(content));
    if (waiting_.size() < kImportBatch && waiting_bytes_ < kImportBatchBytes) return {};
    TG_CHECK(flush());
    report_.committed_line = line;
    return {};
}

Result<void> Import::flush() {
    if (waiting_.empty()) return {};
    TG_TRY(auto done, library_.put(tenant_, std::exchange(waiting_, {})));
    for (std::size_t i = 0; i < done.size(); ++i) {
        if (!done[i].outcome) {
            // Else it is the content as a whole that the store cannot hold.
            const Error& why = done[i].outcome.error();
            refuse(lines_[i], {why.code == ErrorCode::kConflict ? "source_url" : "", why.message, "not_allowed"});
            continue;
        }
        if (report_.ids.size() < kImportIdsMax) {
            report_.ids.push_back(std::move(done[i].id));
        } else {
            ++report_.ids_left_out;
        }
        ++(*done[i].outcome == PutOutcome::kStored    ? report_.stored
           : *done[i].outcome == PutOutcome::kUpdated ? report_.updated
                                                      : report_.unchanged);
    }
    lines_.clear();
    waiting_bytes_ = 0;
    return {};
}

Result<void> Import::take_line(std::string_view line) {
    const std::uint64_t number = ++line_;
    if (line.size() > kImportLineBytesMax) {
        ++report_.received;
        refuse(number, {"", "is over 16 MiB", "too_long"});
        return {};
    }
    line = trim(line);
    if (line.empty()) return {};
    if (report_.received == items_max_) {
        TG_CHECK(flush());
        report_.committed_line = number - 1;
        return std::unexpected(too_many());
    }
    const auto document = json::parse(line);
    if (document) return take(number, document->root());
    ++report_.received;
    refuse(number, {"", "is no JSON", "bad_format"});
    return {};
}

void Import::hold(std::string_view piece) {
    if (!overlong_ && held_.size() + piece.size() <= kImportLineBytesMax) {
        held_.append(piece);
        return;
    }
    overlong_ = true;
    held_ = {};
}

Result<void> Import::end_line() {
    if (std::exchange(overlong_, false)) {
        ++report_.received;
        refuse(++line_, {"", "is over 16 MiB", "too_long"});
        return {};
    }
    // Not kept: one long line would hold its memory until the end.
    const std::string line = std::exchange(held_, {});
    return take_line(line);
}

Result<void> Import::add(std::string_view bytes) {
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\n');
        if (end == std::string_view::npos) {
            hold(bytes);
            return {};
        }
        const std::string_view piece = bytes.substr(0, end);
        bytes.remove_prefix(end + 1);
        if (held_.empty() && !overlong_) {
            TG_CHECK(take_line(piece));
        } else {
            hold(piece);
            TG_CHECK(end_line());
        }
    }
    return {};
}

Result<void> Import::finish() {
    if (!held_.empty() || overlong_) {
        TG_CHECK(end_line());
    }
    TG_CHECK(flush());
    report_.committed_line = line_;
    return {};
}

Result<void> Import::add_whole(std::string_view text) {
    TG_TRY(const json::Document document, json::parse(text));
    const json::Value root = document.root();
    const auto wrapped = root.kind() == json::Kind::kObject ? root.find("contents") : std::optional<json::Value>();
    const json::Value list = wrapped ? *wrapped : root;
    line_ = 1;
    if (list.kind() != json::Kind::kArray) return take(1, root);
    if (list.size() > items_max_) return std::unexpected(too_many());
    line_ = list.size();
    std::uint64_t number = 0;
    Result<void> done;
    list.each([&](json::Value one) {
        ++number;
        if (done) done = take(number, one);
    });
    return done;
}

}  // namespace tidegate::content
