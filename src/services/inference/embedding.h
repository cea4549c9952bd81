// Embedding: vectors of texts, whichever model makes them and whichever protocol asked.
//
// Threads     embed() on a pool's thread; `then` on one as well.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/decision.h"
#include "pipeline/context.h"
#include "services/inference/inference.h"
#include "services/inference/text_models.h"

namespace tidegate::inference {

/// The name and version under which the embedding of our own answers (model/text/small_embedder.h).
std::string_view built_in_name() noexcept;
std::string built_in_version();
/// Whose vectors the model `name` gives (empty: where none is named), for the key under which an answer is kept; empty: there is none.
std::string embedding_version(const TextModels& texts, std::string_view name);

struct EmbedAsk {
    std::string_view operation;  // Of the Decision; a literal.
    std::string model;           // Empty: the first that embeds, or where there is none the embedding of our own.
    EncodeWish encode;
    std::optional<bool> normalize;  // Absent: as the model's config says.
    std::size_t dimensions = 0;     // The first so many, of length 1 again where the whole was; 0: all.
};

struct Embedded {
    std::string model;
    std::string version;
    std::vector<std::vector<float>> rows;
    std::uint64_t tokens = 0;  // Of the built-in embedding, which has none: words.
};

/// Answers the context itself when it cannot be done.
void embed(const InferenceParts& parts, const pipeline::ContextPtr& context, const TextItems& items,
           const EmbedAsk& ask, std::move_only_function<void(Embedded&)> then);

/// The Decision of such an answer: how many vectors of how many numbers.
audit::Decision decide(pipeline::Context& context, std::string_view operation, const Embedded& embedded);

}  // namespace tidegate::inference
