#include "pipeline/spend/redis_scripts.h"

namespace tidegate::pipeline::spend {

const store::RedisScript& reserve_script() {
    static const store::RedisScript kScript(R"lua(
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local cost = tonumber(ARGV[3])
local reply = {0}
for i = 1, #KEYS / 2 do
  local c, o = KEYS[2 * i - 1], KEYS[2 * i]
  local lapsed = redis.call('ZRANGEBYSCORE', o, '-inf', now)
  if #lapsed > 0 then
    local freed = 0
    for _, entry in ipairs(lapsed) do freed = freed + tonumber(string.match(entry, '%d+$')) end
    redis.call('ZREMRANGEBYSCORE', o, '-inf', now)
    redis.call('HINCRBY', c, 'r', -freed)
  end
  local v = redis.call('HMGET', c, 's', 'r', 'f')
  local s, r, f = tonumber(v[1] or 0), tonumber(v[2] or 0), tonumber(v[3] or 0)
  local known = tonumber(ARGV[4 + 2 * i])
  if known > s and known > f then
    redis.call('HSET', c, 'f', known)
    redis.call('PEXPIRE', c, ARGV[1])
    f = known
  end
  if f > s then s = f end
  local cap = tonumber(ARGV[3 + 2 * i])
  if reply[1] == 0 and cap > 0 and s + r + cost > cap then reply[1] = i end
  reply[2 * i] = s
  reply[2 * i + 1] = r
end
if reply[1] == 0 and cost > 0 then
  for i = 1, #KEYS / 2 do
    local c, o = KEYS[2 * i - 1], KEYS[2 * i]
    redis.call('HINCRBY', c, 'r', cost)
    redis.call('ZADD', o, now + ARGV[4], ARGV[2] .. ':' .. ARGV[3])
    redis.call('PEXPIRE', c, ARGV[1])
    redis.call('PEXPIRE', o, ARGV[1])
  end
end
return reply
)lua");
    return kScript;
}

const store::RedisScript& settle_script() {
    static const store::RedisScript kScript(R"lua(
local reply = {}
for i = 1, #KEYS / 2 do
  local c, o = KEYS[2 * i - 1], KEYS[2 * i]
  if ARGV[2] ~= '' and redis.call('ZREM', o, ARGV[2] .. ':' .. ARGV[3]) == 1 then
    redis.call('HINCRBY', c, 'r', -tonumber(ARGV[3]))
  end
  local total = tonumber(ARGV[3 + 2 * i])
  if total > 0 then
    local field = 'o:' .. ARGV[2 + 2 * i]
    local before = tonumber(redis.call('HGET', c, field) or 0)
    if total > before then
      redis.call('HSET', c, field, ARGV[3 + 2 * i])
      redis.call('HINCRBY', c, 's', total - before)
      redis.call('PEXPIRE', c, ARGV[1])
    end
  end
  local v = redis.call('HMGET', c, 's', 'r', 'f')
  reply[2 * i - 1] = math.max(tonumber(v[1] or 0), tonumber(v[3] or 0))
  reply[2 * i] = tonumber(v[2] or 0)
end
return reply
)lua");
    return kScript;
}

const store::RedisScript& publish_script() {
    static const store::RedisScript kScript(R"lua(
local reply = {}
for i = 1, #KEYS do
  local c = KEYS[i]
  local field, total, known = 'o:' .. ARGV[3 * i - 1], tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local v = redis.call('HMGET', c, 's', 'r', 'f', field)
  local s, f, before = tonumber(v[1] or 0), tonumber(v[3] or 0), tonumber(v[4] or 0)
  if total > before then
    redis.call('HSET', c, field, ARGV[3 * i])
    s = redis.call('HINCRBY', c, 's', total - before)
  end
  if known > s and known > f then
    redis.call('HSET', c, 'f', ARGV[3 * i + 1])
    f = known
  end
  redis.call('PEXPIRE', c, ARGV[1])
  reply[2 * i - 1] = math.max(s, f)
  reply[2 * i] = tonumber(v[2] or 0)
end
return reply
)lua");
    return kScript;
}

}  // namespace tidegate::pipeline::spend
