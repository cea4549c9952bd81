#include "services/inference/embedding.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/json_writer.h"
#include "model/text/small_embedder.h"
#include "model/text/text_encoder.h"
#include "services/inference/text_job.h"

namespace tidegate::inference {
namespace {

Result<void> shorten(std::vector<std::vector<float>>& rows, std::size_t dimensions, bool normal) {
    if (dimensions == 0) return {};
    for (std::vector<float>& row : rows) {
        if (dimensions > row.size()) {
            return fail(ErrorCode::kInvalidArgument, "`dimensions` is " + std::to_string(dimensions) +
                                                         ", the model's vectors have " + std::to_string(row.size()));
        }
        row.resize(dimensions);
        if (normal) model::normalise_l2(row);
    }
    return {};
}

/// Before anything is computed, where the model says how wide its vectors are.
Result<void> check_width(std::size_t dimensions, std::int64_t width) {
    if (width < 1 || dimensions <= static_cast<std::uint64_t>(width)) return {};
    return fail(ErrorCode::kInvalidArgument, "`dimensions` is " + std::to_string(dimensions) +
                                                 ", the model's vectors have " + std::to_string(width));
}

std::int64_t width_of(const TextModel& model) {
    const auto& outputs = model.model->outputs();
    const auto found = std::ranges::find(outputs, output_of(model), &model::TensorInfo::name);
    if (found == outputs.end() || found->shape.size() == 0) return -1;
    return found->shape[found->shape.size() - 1];
}

/// The embedding of our own: no file, no batch, some microseconds a text.
void embed_built_in(const pipeline::ContextPtr& context, const TextItems& items, const EmbedAsk& ask,
                    std::move_only_function<void(Embedded&)>& then) {
    const auto& embedder = model::SmallEmbedder::built_in();
    Embedded embedded{.model = std::string(built_in_name()), .version = built_in_version(), .rows = {}, .tokens = 0};
    if (auto fits = check_width(ask.dimensions, model::SmallEmbedder::kDimensions); !fits) {
        return context->fail(fits.error());
    }
    std::vector<model::SmallEmbedder::Feature> features;
    for (const TextItem& item : items.items) {
        if (item.is_tokens) {
            return context->fail(
                {ErrorCode::kInvalidArgument, "the model `" + embedded.model + "` takes texts, no token ids"});
        }
        std::array<float, model::SmallEmbedder::kDimensions> vector{};
        if (auto made = embedder.embed(item.text, vector); !made) return context->fail(made.error());
        embedded.rows.emplace_back(vector.begin(), vector.end());
        features.clear();
        model::SmallEmbedder::features(item.text, features);
        embedded.tokens +=
            static_cast<std::uint64_t>(std::ranges::count(features, false, &model::SmallEmbedder::Feature::is_gram));
    }
    context->end_stage("compute");
    if (auto fits = shorten(embedded.rows, ask.dimensions, true); !fits) return context->fail(fits.error());
    then(embedded);
}

}  // namespace

std::string_view built_in_name() noexcept {
    return model::SmallEmbedder::kName;
}

std::string built_in_version() {
    return "1@" + model::SmallEmbedder::built_in().version();
}

std::string embedding_version(const TextModels& texts, std::string_view name) {
    if (name == built_in_name()) return built_in_version();
    const auto found = texts.find_model(name, model::Task::kEmbedding);
    if (found) return (*found)->full_version();
    return name.empty() && found.error().code == ErrorCode::kNotFound ? built_in_version() : std::string();
}

void embed(const InferenceParts& parts, const pipeline::ContextPtr& context, const TextItems& items,
           const EmbedAsk& ask, std::move_only_function<void(Embedded&)> then) {
    if (ask.model == built_in_name()) return embed_built_in(context, items, ask, then);
    auto found = parts.texts.find(ask.model, model::Task::kEmbedding);
    if (!found && ask.model.empty() && found.error().code == ErrorCode::kNotFound) {
        return embed_built_in(context, items, ask, then);
    }
    if (!found) return context->fail(found.error());
    if (auto fits = check_width(ask.dimensions, width_of(*found)); !fits) return context->fail(fits.error());
    const bool normal = ask.normalize.value_or(found->config().normalize);
    const auto job = std::make_shared<TextJob>(parts, context, ask.operation, *std::move(found), pool, normal);
    if (!job->read(items, ask.encode)) return;
    job->start([dimensions = ask.dimensions, normal, then = std::move(then)](TextJob* done) mutable {
        const model::Model& model = *done->text_model.model;
        Embedded embedded{.model = model.name(),
                          .version = model.full_version(),
                          .rows = std::move(done->rows()),
                          .tokens = done->tokens()};
        if (auto fits = shorten(embedded.rows, dimensions, normal); !fits) return done->context->fail(fits.error());
        then(embedded);
    });
}

audit::Decision decide(pipeline::Context& context, std::string_view operation, const Embedded& embedded) {
    audit::Decision decision = context.make_decision(kService, operation, context.raw_body());
    decision.model = embedded.model;
    decision.model_version = embedded.version;
    decision.tokens = static_cast<std::int64_t>(embedded.tokens);
    JsonWriter writer(decision.output);
    writer.begin_object().field("vectors", embedded.rows.size());
    writer.field("dimensions", embedded.rows.empty() ? 0 : embedded.rows.front().size()).end_object();
    return decision;
}

}  // namespace tidegate::inference
