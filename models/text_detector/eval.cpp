// tidegate_eval_text --data PATH [--json FILE] [--model FILE]: measures the detector, prints and stores the numbers.
//
// The training texts for the baselines are looked for in ../train beside the data.

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "services/provenance/text/evaluate.h"

namespace {

namespace text = tidegate::provenance::text;
using tidegate::ErrorCode;
using tidegate::fail;
using tidegate::Result;

Result<std::unique_ptr<const text::TextDetector>> detector_of(tidegate::Disk& disk, const std::string& path) {
    if (path.empty()) return text::TextDetector::embedded();
    TG_TRY(const std::string bytes, disk.read(path, 16U << 20U));
    return text::TextDetector::load(bytes);
}

Result<void> run(int count, char** values) {
    std::map<std::string, std::string> arguments;
    for (int i = 1; i < count; i += 2) {
        const std::string name = values[i];
        const bool known = name == "--data" || name == "--json" || name == "--model";
        if (!known) return fail(ErrorCode::kInvalidArgument, "unknown argument " + name);
        if (i + 1 == count) return fail(ErrorCode::kInvalidArgument, name + " needs a value");
        arguments[name] = values[i + 1];
    }
    if (!arguments.contains("--data")) {
        return fail(ErrorCode::kInvalidArgument, "usage: tidegate_eval_text --data PATH [--json FILE] [--model FILE]");
    }
    tidegate::SystemDisk disk;
    const tidegate::SystemClock clock;
    TG_TRY(const auto detector, detector_of(disk, arguments["--model"]));
    TG_TRY(const text::Dataset data, text::load_dataset(disk, arguments["--data"]));
    namespace fs = std::filesystem;
    fs::path place = fs::absolute(arguments["--data"]).lexically_normal();
    if (fs::is_regular_file(place) || !place.has_filename()) place = place.parent_path();
    std::optional<text::Dataset> train;
    const fs::path beside = place.parent_path() / "train";
    if (disk.exists(beside.string())) {
        TG_TRY(train, text::load_dataset(disk, beside.string()));
    }
    TG_TRY(const text::Evaluation evaluation, text::evaluate(*detector, data, train ? &*train : nullptr, clock,
                                                             {.seed = 1, .replicates = 200, .on_progress = {}}));
    fmt::print("{}", text::evaluation_table(evaluation));
    if (!arguments.contains("--json")) return {};
    return disk.write_atomic(arguments["--json"],
                             text::evaluation_json(evaluation, clock.unix_ms(), text::machine_facts()));
}

}  // namespace

int main(int argc, char** argv) {
    const auto result = run(argc, argv);
    if (result) return 0;
    fmt::print(stderr, "tidegate_eval_text: {}\n", result.error().message);
    return 1;
}
