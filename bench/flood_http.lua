-- wrk script: places that nobody asked before, alone or BATCH at a time (environment). One JSON line of results at the end.
local batch = tonumber(os.getenv("BATCH") or "0")
math.randomseed(tonumber(os.getenv("SEED") or "1"))

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.path = batch > 0 and "/api/v1/predict/batch" or "/api/v1/predict/flood-risk"

local function place()
  return string.format(
    '{"latitude":%.4f,"longitude":%.4f,"rainfall_mm":%.1f,"temperature":%.1f,"humidity":%d,"rainfall_7d_mean":%.1f,"rainfall_30d_mean":%.1f}',
    math.random() * 120 - 50, math.random() * 300 - 150, math.random() * 120, math.random() * 30, math.random(30, 100),
    math.random() * 20, math.random() * 10)
end

local kept = {}
local at = 0
local function body()
  if batch == 0 then return place() end
  local items = {}
  for i = 1, batch do items[i] = place() end
  return '{"locations":[' .. table.concat(items, ",") .. "]}"
end
-- Made before the clock runs: wrk must not be what is measured.
for i = 1, (batch > 0 and 40 or 40000) do kept[i] = body() end

request = function()
  at = at % #kept + 1
  return wrk.format(nil, nil, nil, kept[at])
end

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.3f,"requests_per_s":%.1f,"min_us":%d,"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d,"errors":%d}\n',
    summary.requests, summary.duration / 1e6, summary.requests / (summary.duration / 1e6), latency.min,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
