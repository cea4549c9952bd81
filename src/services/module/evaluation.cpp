#include "services/module/evaluation.h"

#include <fmt/core.h>

#include "base/file.h"

namespace tidegate::service {

Result<EvaluationArguments> read_evaluation(const CommandInput& input, std::string_view usage) {
    EvaluationArguments out;
    const std::vector<std::string>& words = input.words;
    for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
        if (words[i] == "--data") {
            out.data = words[i + 1];
        } else if (words[i] == "--out") {
            out.out = words[i + 1];
        } else {
            return fail(ErrorCode::kInvalidArgument, std::string(usage));
        }
    }
    if (out.data.empty() || words.size() % 2 != 0) return fail(ErrorCode::kInvalidArgument, std::string(usage));
    return out;
}

Result<void> store_evaluation(const CommandInput& input, const EvaluationArguments& arguments, std::string_view name,
                              std::string_view json, UnixMillis now) {
    SystemDisk disk;
    std::string path = arguments.out;
    if (path.empty()) {
        const std::string folder = input.data_dir + "/evaluations";
        TG_CHECK(disk.make_directories(folder));
        std::string stamp = format_rfc3339(now).substr(0, 19);
        std::erase(stamp, ':');
        path = fmt::format("{}/{}-{}Z.json", folder, name, stamp);
    }
    TG_CHECK(disk.write_atomic(path, json));
    fmt::print("stored in {}\n", path);
    return {};
}

}  // namespace tidegate::service
