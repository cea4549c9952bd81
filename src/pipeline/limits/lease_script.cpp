#include "pipeline/limits/lease_script.h"

#include <fmt/core.h>

namespace tidegate::limits {
namespace {

// ARGV, four a key: interval and burst capacity in ns, need, extra. The reply: permits and ns ahead, for each key.
// A TAT further ahead than a full burst (Redis' clock was set back) counts as a full burst.
constexpr std::string_view kSource = R"lua(
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local out = {}
for i, key in ipairs(KEYS) do
  local interval = tonumber(ARGV[i * 4 - 3])
  local capacity = tonumber(ARGV[i * 4 - 2])
  local need = tonumber(ARGV[i * 4 - 1])
  local extra = tonumber(ARGV[i * 4])
  local ahead = 0
  local tat = redis.call('GET', key)
  if tat then
    ahead = (tonumber(string.sub(tat, 1, -4)) - now) * 1000 + tonumber(string.sub(tat, -3))
    ahead = math.min(math.max(ahead, 0), capacity)
  end
  local grant = need
  if need >= 0 then
    local left = math.floor((capacity - ahead) / interval)
    grant = math.min(need, left)
    grant = grant + math.min(extra, math.floor((left - grant) / 16))
  end
  ahead = math.max(ahead + grant * interval, 0)
  if grant ~= 0 then
    if ahead > 0 then
      local us = math.floor(ahead / 1000)
      redis.call('SET', key, string.format('%.0f%03d', now + us, ahead - us * 1000), 'PX',
                 string.format('%.0f', math.ceil(ahead / 1000000)))
    else
      redis.call('DEL', key)
    end
  end
  out[i * 2 - 1] = grant
  out[i * 2] = ahead
end
return out
)lua";

const store::RedisScript& script() {
    static const store::RedisScript kScript(kSource);
    return kScript;
}

Result<std::vector<KeyGrant>> read(const store::RedisReply& reply, const std::vector<KeyNeed>& needs) {
    const std::size_t keys = needs.size();
    if (reply.items.size() != 2 * keys) return fail(ErrorCode::kInternal, "the limits' script answered something else");
    std::vector<KeyGrant> grants(keys);
    for (std::size_t i = 0; i < keys; ++i) {
        grants[i] = {reply.items[2 * i].integer, reply.items[2 * i + 1].integer};
        const bool possible =
            needs[i].need < 0 || (grants[i].permits >= 0 && grants[i].permits <= needs[i].need + needs[i].extra);
        if (!possible || grants[i].ahead_ns < 0)
            return fail(ErrorCode::kInternal, "the limits' script answered something else");
    }
    return grants;
}

}  // namespace

std::string redis_key(std::uint64_t rule_tag, std::uint64_t subject) {
    return fmt::format("tidegate:limit:{:016x}:{:016x}", rule_tag, subject);
}

void run_lease_script(store::Redis& redis, const std::vector<KeyNeed>& needs,
                      std::move_only_function<void(Result<std::vector<KeyGrant>>)> done) {
    std::vector<std::string> texts;
    texts.reserve(needs.size() * 5);
    for (const KeyNeed& need : needs) texts.push_back(redis_key(need.rule_tag, need.subject));
    for (const KeyNeed& need : needs) {
        for (const std::int64_t number : {need.gcra.interval_ns, need.gcra.capacity_ns, need.need, need.extra}) {
            texts.push_back(std::to_string(number));
        }
    }
    const std::vector<std::string_view> words(texts.begin(), texts.end());
    const std::span<const std::string_view> all(words);
    redis.run(script(), all.first(needs.size()), all.subspan(needs.size()),
              [needs, done = std::move(done)](Result<store::RedisReply> reply) mutable {
                  if (!reply) return done(std::unexpected(std::move(reply).error()));
                  done(read(*reply, needs));
              });
}

}  // namespace tidegate::limits
