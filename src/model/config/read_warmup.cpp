// `model_warmup`: the requests that a model answers before it is ready.
#include <fmt/core.h>

#include <algorithm>

#include "model/config/readers.h"

namespace tidegate::model::config {
namespace {

constexpr std::uint32_t kRunsMax = 10'000;
constexpr std::size_t kSamplesMax = 64;

void read_values(MapReader& input, WarmupInput& into) {
    for (const Node* node : input.many("values")) {
        if (into.type == DataType::kBytes) {
            const auto text = MapReader::text_of(*node);
            if (!text) return input.fault("values", "takes a list of texts");
            into.texts.emplace_back(*text);
        } else {
            const auto number = MapReader::number_of(*node);
            const bool is_bool = into.type == DataType::kBool && (node->text == "true" || node->text == "false");
            if (!number && !is_bool) return input.fault("values", "takes a list of numbers");
            into.numbers.push_back(number ? *number : node->text == "true" ? 1.0 : 0.0);
        }
    }
}

void read_source(MapReader& input, bool ours, WarmupInput& into) {
    int sources = 0;
    bool flag = false;
    if (input.flag("zero_data", flag) && flag) {
        into.kind = WarmupInput::Kind::kZero;
        ++sources;
    }
    if (input.flag("random_data", flag) && flag) {
        into.kind = WarmupInput::Kind::kRandom;
        ++sources;
    }
    if (input.text("input_data_file", into.file)) {
        into.kind = WarmupInput::Kind::kFile;
        ++sources;
    }
    if (ours && input.has("values")) {
        into.kind = WarmupInput::Kind::kValues;
        ++sources;
        read_values(input, into);
    }
    if (sources != 1) {
        input.fault("zero_data", fmt::format("or one of random_data, input_data_file{} must be given, and only one",
                                             ours ? ", values" : ""));
    }
}

WarmupInput read_input(std::string name, const Node& node, bool ours, Faults& faults) {
    WarmupInput into;
    into.name = std::move(name);
    MapReader input(node, "model_warmup.inputs", faults);
    if (!input.has("data_type")) input.fault("data_type", "is missing");
    into.type = input.type("data_type").value_or(DataType::kFp32);
    if (!input.has("dims")) input.fault("dims", "is missing");
    into.dims = input.shape("dims").value_or(Shape());
    for (const std::int64_t dimension : into.dims.dimensions()) {
        if (dimension < 0) input.fault("dims", "of a sample cannot be -1");
    }
    read_source(input, ours, into);
    input.finish();
    return into;
}

void read_inputs(MapReader& sample, bool ours, WarmupSample& into) {
    for (const Node* node : sample.many("inputs")) {
        if (ours) {
            if (node->kind != Node::Kind::kMap) sample.fault("inputs", "takes a map of inputs");
            for (const Member& member : node->members) {
                into.inputs.push_back(read_input(member.name, member.value, ours, sample.faults()));
            }
            continue;
        }
        MapReader entry(*node, "model_warmup.inputs", sample.faults());
        std::string name;
        if (!entry.text("key", name)) entry.fault("key", "is missing");
        if (const Node* value = entry.one("value")) {
            into.inputs.push_back(read_input(name, *value, ours, sample.faults()));
        } else {
            entry.fault("value", "is missing");
        }
        entry.finish();
    }
}

}  // namespace

void read_warmup(MapReader& top, bool ours, ModelConfig& config) {
    // `model_warmup: []` is ours: no warm-up at all. (Triton's default; here zeros of the declared shape.)
    const bool named = top.has("model_warmup");
    for (const Node* node : top.many("model_warmup")) {
        WarmupSample into;
        MapReader sample(*node, "model_warmup", top.faults());
        sample.text("name", into.name);
        sample.integer<std::uint32_t>("batch_size", into.batch_size, 0, kRowsMax);
        sample.integer<std::uint32_t>("count", into.count, 0, kRunsMax);
        // As in Triton 0, protobuf's word for nothing said, is 1.
        into.batch_size = std::max(into.batch_size, 1U);
        into.count = std::max(into.count, 1U);
        read_inputs(sample, ours, into);
        sample.finish();
        config.warmup.push_back(std::move(into));
        if (config.warmup.size() > kSamplesMax) {
            sample.fault("name", fmt::format("is that of one sample too many: {} are allowed", kSamplesMax));
            break;
        }
    }
    config.warms_up = !named || !config.warmup.empty();
}

}  // namespace tidegate::model::config
