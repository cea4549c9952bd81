// Our words for text models: tokenizer, task, pooling, labels.
#include <fmt/core.h>

#include "model/config/readers.h"

namespace tidegate::model::config {
namespace {

constexpr std::uint32_t kSequenceMax = 1U << 20U;

/// `padding: {input_ids: 1}`.
void read_padding(MapReader& top, TextConfig& text) {
    const Node* node = top.one("padding");
    if (node == nullptr) return;
    if (node->kind != Node::Kind::kMap) return top.fault("padding", "takes a map of inputs and values");
    for (const Member& member : node->members) {
        const auto value = MapReader::integer_of(member.value, -(1LL << 31U), 1LL << 31U);
        if (!value) return top.fault("padding", fmt::format("of `{}` takes a whole number", member.name));
        text.padding.emplace(member.name, *value);
    }
}

/// A word that says something only to some tasks.
void only_with(MapReader& top, std::string_view name, bool fits, std::string_view with) {
    if (top.has(name) && !fits) top.fault(name, fmt::format("says nothing without {}", with));
}

}  // namespace

void read_text(MapReader& top, ModelConfig& config) {
    TextConfig& text = config.text;
    text.task = static_cast<Task>(top.word("task", {"none", "embedding", "classification", "rerank"}).value_or(0));
    top.text("tokenizer", text.tokenizer);
    text.pooling = static_cast<Pooling>(top.word("pooling", {"mean", "cls"}).value_or(0));
    top.flag("normalize", text.normalize);
    text.activation = static_cast<Activation>(top.word("activation", {"none", "softmax", "sigmoid"}).value_or(1));
    text.labels = top.texts("labels");
    top.integer<std::uint32_t>("sequence_max", text.sequence_max, 1, kSequenceMax);
    top.text("text_output", text.output);
    read_padding(top, text);

    const bool embeds = text.task == Task::kEmbedding;
    const bool classifies = text.task == Task::kClassification || text.task == Task::kRerank;
    only_with(top, "pooling", embeds, "task: embedding");
    only_with(top, "normalize", embeds, "task: embedding");
    only_with(top, "activation", classifies, "task: classification or rerank");
    only_with(top, "labels", text.task == Task::kClassification, "task: classification");
    only_with(top, "text_output", text.task != Task::kNone, "a task");
    only_with(top, "tokenizer", text.task != Task::kNone, "a task");
    only_with(top, "sequence_max", text.task != Task::kNone, "a task");
    if (text.task != Task::kNone && text.tokenizer.empty()) top.fault("task", "needs a tokenizer");
    // One score has no others to be compared with.
    if (text.task == Task::kRerank && !top.has("activation")) text.activation = Activation::kSigmoid;
}

}  // namespace tidegate::model::config
