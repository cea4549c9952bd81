#include "pipeline/spend/redis_words.h"

#include <fmt/core.h>

namespace tidegate::pipeline::spend {

std::string RedisWords::key_of(char what, const AccountName& name) const {
    return fmt::format("{}:{{{}}}:{}:{}{:016x}", prefix_, day_.begin / 1000, what, static_cast<char>(name.kind),
                       name.hash);
}

std::optional<std::vector<std::int64_t>> numbers_of(const Result<store::RedisReply>& reply, std::size_t count) {
    if (!reply || reply->kind != store::RedisReply::Kind::kArray || reply->items.size() != count) return std::nullopt;
    std::vector<std::int64_t> numbers;
    numbers.reserve(count);
    for (const store::RedisReply& item : reply->items) {
        if (item.kind != store::RedisReply::Kind::kInteger) return std::nullopt;
        numbers.push_back(item.integer);
    }
    return numbers;
}

}  // namespace tidegate::pipeline::spend
