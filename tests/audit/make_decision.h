// Decisions for tests of the log.
#pragma once

#include <string>

#include "audit/decision.h"
#include "base/random.h"

namespace tidegate::audit {

/// A Decision made at `time`; `n` makes it differ from others in every field.
inline Decision make_decision(UnixMillis time, Random& random, std::uint64_t n = 0) {
    static constexpr std::string_view kBands[] = {"human", "uncertain", "ai"};
    static constexpr std::string_view kOperations[] = {"detect/text", "detect/text", "detect/image"};
    const ManualClock clock(time);
    Decision decision;
    decision.id = make_uuid7(clock, random);
    decision.request_id = "request-" + std::to_string(n);
    decision.tenant = n % 5 == 0 ? "acme" : "";
    decision.actor = "key-" + std::to_string(n % 3);
    decision.service = "provenance";
    decision.operation = kOperations[n % 3];
    decision.input_hash = sha256(std::to_string(n));
    decision.input_size = n * 7;
    decision.model = "text_detector";
    decision.model_version = n % 4 == 0 ? "1.0.0" : "1.1.0";
    if (n % 11 == 10) {
        decision.status = Status::kError;
        decision.error = "unavailable: the model is gone";
    } else {
        decision.output = R"({"score":)" + std::to_string(n) + "}";
        decision.band = kBands[n % 7 % 3];
        decision.confidence = static_cast<double>(n % 101) / 100;
    }
    decision.latency_us = static_cast<std::int64_t>(100 + n * n % 9973);
    decision.stages = {{"parse", 3}, {"detect", static_cast<std::int64_t>(n)}};
    decision.cache = n % 6 == 0 ? CacheState::kHit : CacheState::kMiss;
    decision.spend_points = Points{100};  // A tenth: sums of it must stay exact.
    decision.tokens = static_cast<std::int64_t>(n % 50);
    if (n % 2 == 0) decision.trace_id = {1, 2, 3, static_cast<std::uint8_t>(n)};
    decision.tags = {{"language", "en"}, {"note", "a\"b\n"}};
    return decision;
}

}  // namespace tidegate::audit
