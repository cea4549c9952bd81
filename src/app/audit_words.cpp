#include "app/audit_words.h"

#include <fmt/core.h>

namespace tidegate::app {

Result<AuditWords> read_audit_words(const std::vector<std::string>& words, const std::set<std::string>& known,
                                    std::size_t begin) {
    AuditWords read;
    for (std::size_t i = begin; i < words.size(); ++i) {
        const std::string& word = words[i];
        if ((word == "--json" || word == "--follow") && known.contains(word)) {
            read.flags.insert(word);
        } else if (!word.starts_with("-") && read.place.empty()) {
            read.place = word;
        } else if (!known.contains(word) || read.options.contains(word) || i + 1 == words.size()) {
            return fail(ErrorCode::kInvalidArgument, std::string(kAuditUsage));
        } else {
            read.options.emplace(word, words[++i]);
        }
    }
    if (read.place.empty()) return fail(ErrorCode::kInvalidArgument, std::string(kAuditUsage));
    return read;
}

int audit_failed(const Error& error) {
    fmt::print(stderr, "tidegate: {}\n", error.message);
    return 1;
}

}  // namespace tidegate::app
