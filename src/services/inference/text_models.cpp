#include "services/inference/text_models.h"

#include "services/inference/refuse.h"

namespace tidegate::inference {

Result<model::Encoding> encode(const TextModel& model, const TextItem& item, const EncodeWish& wish) {
    if (!item.is_tokens) return model::encode(model, item.text, item.second, wish);
    const std::size_t most = model.tokens_max();
    model::Encoding encoding;
    encoding.ids = item.tokens;
    for (const std::uint32_t id : encoding.ids) {
        if (id >= model.tokenizer->vocabulary_size())
            return refuse("token " + std::to_string(id) + " is not one of the model's");
    }
    if (wish.truncate && most > 0 && encoding.ids.size() > most) encoding.ids.resize(most);
    encoding.type_ids.assign(encoding.ids.size(), 0);
    encoding.attention_mask.assign(encoding.ids.size(), 1);
    TG_CHECK(model::check_length(model, encoding));
    return encoding;
}

}  // namespace tidegate::inference
