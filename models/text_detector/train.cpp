// tidegate_train_text --data DIR --out FILE [--card FILE]: trains the text detector from labelled texts.
//
// Guarantee   The same data and program give the same model but for the date, which `--date` can fix.

#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "services/provenance/text/model_file.h"
#include "train_detector.h"

namespace {

using tidegate::ErrorCode;
using tidegate::fail;
using tidegate::Result;
using Arguments = std::map<std::string, std::string>;

// What stands between these two lines of the card is replaced by every training run.
constexpr std::string_view kBegin = "<!-- training run: begin -->\n";
constexpr std::string_view kEnd = "<!-- training run: end -->";

Result<Arguments> parse_arguments(int count, char** values) {
    Arguments arguments;
    for (int i = 1; i < count; i += 2) {
        const std::string name = values[i];
        if (name != "--data" && name != "--out" && name != "--card" && name != "--date") {
            return fail(ErrorCode::kInvalidArgument, "unknown argument " + name);
        }
        if (i + 1 == count) return fail(ErrorCode::kInvalidArgument, name + " needs a value");
        arguments[name] = values[i + 1];
    }
    if (!arguments.contains("--data") || !arguments.contains("--out")) {
        return fail(ErrorCode::kInvalidArgument,
                    "usage: tidegate_train_text --data DIR --out FILE [--card FILE] [--date YYYY-MM-DD]");
    }
    return arguments;
}

Result<void> update_card(tidegate::Disk& disk, const std::string& path, const std::string& text) {
    TG_TRY(std::string card, disk.read(path, 1U << 20U));
    const std::size_t begin = card.find(kBegin);
    const std::size_t end = card.find(kEnd);
    if (begin == std::string::npos || end == std::string::npos || end < begin) {
        return fail(ErrorCode::kInvalidArgument, "the card lacks the two lines between which the numbers go");
    }
    card.replace(begin + kBegin.size(), end - begin - kBegin.size(), text);
    return disk.write_atomic(path, card);
}

Result<void> run(int count, char** values) {
    TG_TRY(Arguments arguments, parse_arguments(count, values));
    tidegate::SystemDisk disk;
    TG_TRY(const auto data, tidegate::provenance::text::load_dataset(disk, arguments["--data"]));
    tidegate::provenance::text::training::TrainOptions options;
    options.date = arguments["--date"];
    if (options.date.empty()) options.date = tidegate::format_rfc3339(tidegate::SystemClock().unix_ms()).substr(0, 10);
    options.say = [](const std::string& line) {
        fmt::print("{}\n", line);
        std::fflush(stdout);
    };
    TG_TRY(const auto trained, tidegate::provenance::text::training::train_detector(data, options));
    const std::string bytes = tidegate::provenance::text::serialise_model(trained.model);
    TG_TRY(const auto parsed, tidegate::provenance::text::parse_model(bytes));
    TG_CHECK(disk.write_atomic(arguments["--out"], bytes));
    const std::string numbers =
        fmt::format("Trained {}, {} documents, data SHA-256 `{}`, model SHA-256 `{}`, {} bytes.\n\n", options.date,
                    trained.documents, data.digest, parsed.hash, bytes.size()) +
        tidegate::provenance::text::training::describe_training(trained);
    fmt::print("{}", numbers);
    if (arguments.contains("--card")) return update_card(disk, arguments["--card"], numbers);
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    const auto result = run(argc, argv);
    if (result) return 0;
    fmt::print(stderr, "tidegate_train_text: {}\n", result.error().message);
    return 1;
}
