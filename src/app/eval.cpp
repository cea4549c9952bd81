// `tidegate eval text --data PATH`: measures the text detector on labelled texts; prints and stores the numbers.
#include <fmt/core.h>

#include <filesystem>
#include <map>
#include <optional>

#include "app/commands.h"
#include "base/file.h"
#include "base/strings.h"
#include "services/provenance/text/evaluate.h"

namespace tidegate::app {
namespace {

namespace text = provenance::text;

struct EvalArguments {
    std::string data;
    std::string train;  // Empty: looked for beside the data.
    std::string out;    // Empty: a dated file in the data folder.
};

std::string eval_usage(const AppSettings& settings) {
    std::string usage =
        "eval takes: text --data PATH [--train PATH] [--out FILE] | drift --data FOLDER [--out FILE] | "
        "redaction [--seed N] [--out FILE]";
    for (const auto& one : settings.services) {
        if (!one->evaluation_usage().empty()) usage += fmt::format(" | {} {}", one->name(), one->evaluation_usage());
    }
    return usage;
}

Result<EvalArguments> read_eval_arguments(const std::vector<std::string>& words, const AppSettings& settings) {
    const auto usage = [&settings] { return fail(ErrorCode::kInvalidArgument, eval_usage(settings)); };
    if (words.empty() || words[0] != "text" || words.size() % 2 == 0) return usage();
    EvalArguments arguments;
    const std::map<std::string_view, std::string*> options{
        {"--data", &arguments.data}, {"--train", &arguments.train}, {"--out", &arguments.out}};
    for (std::size_t i = 1; i < words.size(); i += 2) {
        const auto option = options.find(words[i]);
        if (option == options.end()) return usage();
        *option->second = words[i + 1];
    }
    if (arguments.data.empty()) return usage();
    return arguments;
}

/// `.../dev/dev.jsonl` and `.../dev` both have their training texts in `.../train`.
std::string train_beside(const std::string& data) {
    namespace fs = std::filesystem;
    fs::path place = fs::absolute(data).lexically_normal();
    if (fs::is_regular_file(place) || !place.has_filename()) place = place.parent_path();
    return (place.parent_path() / "train").string();
}

Result<std::optional<text::Dataset>> load_train(const Disk& disk, const EvalArguments& arguments) {
    const std::string path = arguments.train.empty() ? train_beside(arguments.data) : arguments.train;
    if (arguments.train.empty() && !disk.exists(path)) return std::nullopt;
    TG_TRY(text::Dataset train, text::load_dataset(disk, path));
    return train;
}

Result<std::string> place_of_result(Disk& disk, const EvalArguments& arguments, const std::string& data_dir,
                                    UnixMillis now) {
    if (!arguments.out.empty()) return arguments.out;
    const std::string folder = data_dir + "/evaluations";
    TG_CHECK(disk.make_directories(folder));
    std::string stamp = format_rfc3339(now).substr(0, 19);
    std::erase(stamp, ':');
    return folder + "/text-" + stamp + "Z.json";
}

Result<void> evaluate_text(const EvalArguments& arguments, const std::string& data_dir) {
    SystemDisk disk;
    const SystemClock clock;
    TG_TRY(const auto detector, text::TextDetector::embedded());
    TG_TRY(const text::Dataset data, text::load_dataset(disk, arguments.data));
    TG_TRY(const std::optional<text::Dataset> train, load_train(disk, arguments));
    text::EvaluationOptions options;
    std::size_t shown = 0;
    options.on_progress = [&shown](std::size_t done, std::size_t total) {
        if (done < shown + 500 && done != total) return;
        shown = done;
        fmt::print(stderr, "tidegate: {} of {} texts\n", done, total);
    };
    TG_TRY(const text::Evaluation evaluation,
           text::evaluate(*detector, data, train ? &*train : nullptr, clock, options));
    fmt::print("{}", text::evaluation_table(evaluation));
    const UnixMillis now = clock.unix_ms();
    TG_TRY(const std::string path, place_of_result(disk, arguments, data_dir, now));
    TG_CHECK(disk.write_atomic(path, text::evaluation_json(evaluation, now, text::machine_facts())));
    fmt::print("stored in {}\n", path);
    return {};
}

}  // namespace

int run_eval(const Invocation& invocation) {
    const std::vector<std::string>& words = invocation.words;
    const std::string_view what = words.empty() ? std::string_view() : std::string_view(words[0]);
    if (what == "drift") return run_eval_drift(invocation);
    if (what == "redaction") return run_eval_redaction(invocation);
    for (const auto& one : invocation.settings.services) {
        if (one->name() != what || one->evaluation_usage().empty()) continue;
        const std::vector<std::string> rest(words.begin() + 1, words.end());
        return one->evaluate(command_input(invocation.settings, rest));
    }
    const auto arguments = read_eval_arguments(words, invocation.settings);
    if (!arguments) return wrong_use(arguments.error().message);
    const auto done = evaluate_text(*arguments, invocation.settings.process.data_dir);
    if (done) return 0;
    fmt::print(stderr, "tidegate: {}\n", done.error().message);
    return 1;
}

}  // namespace tidegate::app
