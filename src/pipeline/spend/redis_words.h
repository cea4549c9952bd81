// The keys and arguments of one call to a script of spend, and the numbers of its reply. Inside the Redis form of the ledger.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/spend/mirror.h"
#include "pipeline/spend/zone.h"
#include "store/redis.h"

namespace tidegate::pipeline::spend {

class RedisWords {
  public:
    RedisWords(std::string_view prefix, const Day& day) : prefix_(prefix), day_(day) {}

    void add_counters(const AccountName& name) { keys_.push_back(key_of('c', name)); }
    void add_open(const AccountName& name) { keys_.push_back(key_of('o', name)); }
    void add(std::string text) { arguments_.push_back(std::move(text)); }
    void add(std::int64_t number) { arguments_.push_back(std::to_string(number)); }
    /// How long the keys stay after their last change: two days, longer than any day; no clock but the server's has a say.
    void add_lifetime() { add(2 * 24 * 3'600'000); }
    void run(store::Redis& redis, const store::RedisScript& script, store::Redis::Done done) const {
        const std::vector<std::string_view> keys(keys_.begin(), keys_.end());
        const std::vector<std::string_view> arguments(arguments_.begin(), arguments_.end());
        redis.run(script, keys, arguments, std::move(done));
    }

  private:
    std::string key_of(char what, const AccountName& name) const;

    std::string prefix_;
    Day day_;
    std::vector<std::string> keys_;
    std::vector<std::string> arguments_;
};

/// The reply as exactly `count` integers; nullopt when it is anything else.
std::optional<std::vector<std::int64_t>> numbers_of(const Result<store::RedisReply>& reply, std::size_t count);

}  // namespace tidegate::pipeline::spend
