#include "services/content/import.h"

#include <fmt/format.h>

#include <utility>

#include "base/strings.h"
#include "services/content/content_json.h"

namespace tidegate::content {

std::string stored_so_far(const ImportReport& report) {
    const bool none = report.stored + report.updated + report.unchanged == 0;
    // Of the last commit nothing can be said for certain; of those before it, all.
    if (report.uncertain) {
        if (none) return "Before that nothing was stored.";
        return fmt::format("Before that {} were stored, {} updated and {} unchanged, up to line {}.", report.stored,
                           report.updated, report.unchanged, report.committed_line);
    }
    if (none) return "Nothing of it was stored.";
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
    auto put = library_.put(tenant_, std::exchange(waiting_, {}));
    if (!put) {
        report_.uncertain = is_uncertain_commit(put.error());
        return std::unexpected(std::move(put).error());
    }
    std::vector<PutResult>& done = *put;
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

/// Before each content is counted, whatever is wrong with it.
Result<void> Import::check_room(std::uint64_t line) {
    if (report_.received < items_max_) return {};
    TG_CHECK(flush());
    report_.committed_line = line - 1;
    return std::unexpected(too_many());
}

Result<void> Import::refuse_overlong(std::uint64_t line) {
    TG_CHECK(check_room(line));
    ++report_.received;
    refuse(line, {"", "is over 16 MiB", "too_long"});
    return {};
}

Result<void> Import::take_line(std::string_view line) {
    const std::uint64_t number = ++line_;
    if (line.size() > kImportLineBytesMax) return refuse_overlong(number);
    line = trim(line);
    if (line.empty()) return {};
    TG_CHECK(check_room(number));
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
    if (std::exchange(overlong_, false)) return refuse_overlong(++line_);
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
