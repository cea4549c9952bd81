#include "services/content/import.h"

#include <algorithm>

#include "base/strings.h"
#include "services/content/content_json.h"

namespace tidegate::content {
namespace {

/// Gathers contents and puts them in when there are enough.
class Importer {
  public:
    Importer(Library& library, std::string_view tenant) : library_(library), tenant_(tenant) {}

    Result<void> take(std::uint64_t line, json::Value value) {
        Content content;
        ++report_.received;
        if (value.kind() != json::Kind::kObject) {
            refuse(line, {"", "is no JSON object", "wrong_type"});
        } else if (auto wrong = read_content(value, content)) {
            refuse(line, *std::move(wrong));
        } else {
            lines_.push_back(line);
            waiting_.push_back(std::move(content));
        }
        return waiting_.size() < kImportBatch ? Result<void>{} : flush();
    }
    void refuse(std::uint64_t line, pipeline::FieldError error) {
        ++report_.failed;
        if (report_.faults.size() < ImportReport::kFaultsMax) report_.faults.push_back({line, std::move(error)});
    }
    void refuse_line(std::uint64_t line) {
        ++report_.received;
        refuse(line, {"", "is no JSON", "bad_format"});
    }
    Result<void> flush() {
        if (waiting_.empty()) return {};
        TG_TRY(const auto done, library_.put(tenant_, std::move(waiting_)));
        for (std::size_t i = 0; i < done.size(); ++i) {
            if (!done[i].outcome) {
                refuse(lines_[i], {"source_url", done[i].outcome.error().message, "not_allowed"});
                continue;
            }
            report_.ids.push_back(done[i].id);
            ++(*done[i].outcome == PutOutcome::kStored    ? report_.stored
               : *done[i].outcome == PutOutcome::kUpdated ? report_.updated
                                                          : report_.unchanged);
        }
        waiting_.clear();
        lines_.clear();
        return {};
    }
    ImportReport report() && { return std::move(report_); }

  private:
    Library& library_;
    std::string_view tenant_;
    std::vector<Content> waiting_;
    std::vector<std::uint64_t> lines_;
    ImportReport report_;
};

Error too_many(std::size_t items_max) {
    return {ErrorCode::kTooLarge,
            "More contents than content.import_items_max allows: " + std::to_string(items_max) + "."};
}

/// Lines that hold something.
std::size_t filled_lines(std::string_view text) noexcept {
    std::size_t count = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        if (!trim(text.substr(0, end)).empty()) ++count;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return count;
}

Result<void> take_lines(Importer& importer, std::string_view text) {
    std::uint64_t number = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = trim(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        ++number;
        if (line.empty()) continue;
        const auto document = json::parse(line);
        if (document) {
            TG_CHECK(importer.take(number, document->root()));
        } else {
            importer.refuse_line(number);
        }
    }
    return {};
}

Result<void> take_whole(Importer& importer, json::Value root, std::size_t items_max) {
    const auto wrapped = root.kind() == json::Kind::kObject ? root.find("contents") : std::optional<json::Value>();
    const json::Value list = wrapped ? *wrapped : root;
    if (list.kind() != json::Kind::kArray) return importer.take(1, root);
    if (list.size() > items_max) return std::unexpected(too_many(items_max));
    std::uint64_t number = 0;
    Result<void> done;
    list.each([&](json::Value one) {
        ++number;
        if (done) done = importer.take(number, one);
    });
    return done;
}

}  // namespace

Result<ImportReport> import_contents(Library& library, std::string_view tenant, std::string_view text, bool lines,
                                     std::size_t items_max) {
    Importer importer(library, tenant);
    if (lines) {
        if (filled_lines(text) > items_max) return std::unexpected(too_many(items_max));
        TG_CHECK(take_lines(importer, text));
    } else {
        TG_TRY(const json::Document document, json::parse(text));
        TG_CHECK(take_whole(importer, document.root(), items_max));
    }
    TG_CHECK(importer.flush());
    return std::move(importer).report();
}

}  // namespace tidegate::content
