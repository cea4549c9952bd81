#include "services/provenance/text/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/hash.h"
#include "base/json.h"
#include "base/strings.h"

namespace tidegate::provenance::text {
namespace {

constexpr std::uint64_t kFileBytesMax = 256ULL << 20U;
constexpr std::size_t kLineBytesMax = 4U << 20U;
constexpr std::size_t kLinesMax = 1'000'000;

Result<std::string> string_field(json::Value object, std::string_view name, bool required) {
    const auto field = object.find(name);
    if (!field) {
        if (required) return fail(ErrorCode::kInvalidArgument, fmt::format("field '{}' is missing", name));
        return std::string();
    }
    if (field->kind() != json::Kind::kString) {
        return fail(ErrorCode::kInvalidArgument, fmt::format("field '{}' is not a string", name));
    }
    return std::string(field->as_string());
}

Result<Label> parse_label(std::string_view name) {
    if (name == "human") return Label::kHuman;
    if (name == "ai") return Label::kAi;
    if (name == "ai_edited") return Label::kAiEdited;
    if (name == "ai_humanised") return Label::kAiHumanised;
    return fail(ErrorCode::kInvalidArgument, "field 'label' is none of human, ai, ai_edited, ai_humanised");
}

// The file itself, or the .jsonl files of a directory, sorted.
Result<std::vector<std::string>> files_of(const std::string& path) {
    namespace fs = std::filesystem;
    std::error_code error;
    if (!fs::is_directory(path, error)) return std::vector{path};
    std::vector<std::string> files;
    for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
        if (it->path().extension() == ".jsonl") files.push_back(it->path().string());
    }
    if (error) return fail(ErrorCode::kUnavailable, "the data directory cannot be listed: " + error.message());
    if (files.empty()) return fail(ErrorCode::kNotFound, "the data directory holds no .jsonl file");
    std::ranges::sort(files);
    return files;
}

}  // namespace

Result<Sample> parse_sample(std::string_view line) {
    TG_TRY(const auto document, json::parse(line));
    const json::Value root = document.root();
    if (root.kind() != json::Kind::kObject) return fail(ErrorCode::kInvalidArgument, "the line is not a JSON object");
    Sample sample;
    TG_TRY(sample.text, string_field(root, "text", true));
    TG_TRY(const std::string label, string_field(root, "label", true));
    TG_TRY(sample.label, parse_label(label));
    TG_TRY(sample.id, string_field(root, "id", false));
    TG_TRY(sample.model, string_field(root, "model", false));
    TG_TRY(sample.domain, string_field(root, "domain", false));
    TG_TRY(sample.slice, string_field(root, "slice", false));
    TG_TRY(sample.source, string_field(root, "source", false));
    TG_TRY(sample.prompt_id, string_field(root, "prompt_id", false));
    return sample;
}

Result<std::vector<Sample>> parse_samples(std::string_view content) {
    std::vector<Sample> samples;
    std::size_t number = 0;
    while (!content.empty()) {
        ++number;
        if (number > kLinesMax) return fail(ErrorCode::kTooLarge, "more than 1,000,000 lines");
        const std::size_t end = content.find('\n');
        const std::string_view line = content.substr(0, end);
        content = end == std::string_view::npos ? std::string_view() : content.substr(end + 1);
        if (trim(line).empty()) continue;
        if (line.size() > kLineBytesMax) {
            return fail(ErrorCode::kTooLarge, fmt::format("line {}: longer than 4 MiB", number));
        }
        auto sample = parse_sample(line);
        if (!sample) return fail(sample.error().code, fmt::format("line {}: {}", number, sample.error().message));
        samples.push_back(*std::move(sample));
    }
    return samples;
}

Result<Dataset> load_dataset(const Disk& disk, const std::string& path) {
    TG_TRY(const auto files, files_of(path));
    Dataset dataset;
    std::string all;
    for (const std::string& file : files) {
        TG_TRY(const std::string content, disk.read(file, kFileBytesMax));
        auto samples = parse_samples(content);
        if (!samples) {
            const std::string name = std::filesystem::path(file).filename().string();
            return fail(samples.error().code, name + ", " + samples.error().message);
        }
        std::ranges::move(*samples, std::back_inserter(dataset.samples));
        all += to_hex(sha256(content));
    }
    if (dataset.samples.empty()) return fail(ErrorCode::kInvalidArgument, "the data holds no line");
    dataset.digest = files.size() == 1 ? all : to_hex(sha256(all));
    return dataset;
}

}  // namespace tidegate::provenance::text
