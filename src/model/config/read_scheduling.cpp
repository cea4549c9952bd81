// Batching, queue, priorities, versions: what decides when a request is computed, and by which version.
#include <fmt/core.h>

#include <algorithm>

#include "model/config/readers.h"

namespace tidegate::model::config {
namespace {

// An hour: more is a mistake in the unit.
constexpr std::uint64_t kMicrosecondsMax = 3'600'000'000ULL;
constexpr std::uint64_t kMillisecondsMax = 3'600'000ULL;
constexpr std::uint32_t kPrioritiesMax = 64;
constexpr std::uint32_t kQueueRowsMax = 16'777'216;

void read_queue_policy(MapReader& batching, ModelConfig& config) {
    const Node* node = batching.one("default_queue_policy");
    // Without a policy a client's own bound on its wait counts.
    config.allow_timeout_override = node == nullptr;
    if (node == nullptr) return;
    MapReader policy(*node, batching.full("default_queue_policy"), batching.faults());
    if (policy.word("timeout_action", {"REJECT", "DELAY"}).value_or(0) == 1) {
        policy.fault("timeout_action", "DELAY is not supported: what waits too long is refused");
    }
    policy.integer<std::uint64_t>("default_timeout_microseconds", config.queue_timeout_us, 0, kMicrosecondsMax);
    policy.flag("allow_timeout_override", config.allow_timeout_override);
    policy.integer<std::uint32_t>("max_queue_size", config.queue_rows_max, 0, kQueueRowsMax);
    policy.finish();
}

void read_batching_words(MapReader& batching, ModelConfig& config) {
    for (const std::int64_t size : batching.integers("preferred_batch_size", 1, kRowsMax)) {
        config.preferred_batch_sizes.push_back(static_cast<std::uint32_t>(size));
    }
    std::ranges::sort(config.preferred_batch_sizes);
    batching.integer<std::uint64_t>("max_queue_delay_microseconds", config.max_queue_delay_us, 0, kMicrosecondsMax);
    batching.flag("preserve_ordering", config.preserve_ordering);
    batching.integer<std::uint32_t>("priority_levels", config.priority_levels, 0, kPrioritiesMax);
    batching.integer<std::uint32_t>("default_priority_level", config.default_priority_level, 0, kPrioritiesMax);
    if (config.priority_levels > 0 &&
        (config.default_priority_level == 0 || config.default_priority_level > config.priority_levels)) {
        batching.fault("default_priority_level", fmt::format("must be from 1 to {}", config.priority_levels));
    }
    if (config.priority_levels == 0 && config.default_priority_level > 0) {
        batching.fault("default_priority_level", "says nothing without priority_levels");
    }
    read_queue_policy(batching, config);
    batching.unsupported("priority_queue_policy");
    batching.finish();
}

void read_batching(MapReader& top, bool ours, ModelConfig& config) {
    config.allow_timeout_override = true;
    const Node* node = top.one("dynamic_batching");
    if (node == nullptr) return;
    config.dynamic_batching_given = true;
    config.merges = true;
    // `dynamic_batching: false` is ours: with it a derived batch size does not put requests together.
    if (ours && node->kind == Node::Kind::kScalar && (node->text == "true" || node->text == "false")) {
        config.merges = node->text == "true";
        return;
    }
    MapReader batching(*node, top.full("dynamic_batching"), top.faults());
    read_batching_words(batching, config);
}

void read_versions(MapReader& top, ModelConfig& config) {
    const Node* node = top.one("version_policy");
    if (node == nullptr) return;
    VersionPolicy& policy = config.version_policy;
    MapReader reader(*node, "version_policy", top.faults());
    if (reader.has("latest") + reader.has("all") + reader.has("specific") > 1) {
        top.fault("version_policy", "takes one of latest, all, specific");
    }
    if (const Node* latest = reader.one("latest")) {
        MapReader words(*latest, "version_policy.latest", top.faults());
        words.integer<std::uint32_t>("num_versions", policy.latest, 1, 1000);
        words.finish();
    }
    if (const Node* all = reader.one("all")) {
        policy.kind = VersionPolicy::Kind::kAll;
        MapReader(*all, "version_policy.all", top.faults()).finish();
    }
    if (const Node* specific = reader.one("specific")) {
        policy.kind = VersionPolicy::Kind::kSpecific;
        MapReader words(*specific, "version_policy.specific", top.faults());
        policy.versions = words.integers("versions", 1, std::numeric_limits<std::int64_t>::max());
        if (policy.versions.empty()) words.fault("versions", "names no version");
        words.finish();
    }
    reader.finish();
}

void read_own_bounds(MapReader& top, ModelConfig& config) {
    std::uint64_t milliseconds = 0;
    if (top.integer<std::uint64_t>("queue_timeout_ms", milliseconds, 1, kMillisecondsMax)) {
        if (config.queue_timeout_us > 0)
            top.fault("queue_timeout_ms", "and default_timeout_microseconds are one setting");
        config.queue_timeout_us = milliseconds * 1000;
    }
    std::uint32_t rows = 0;
    if (top.integer<std::uint32_t>("queue_rows_max", rows, 1, kQueueRowsMax)) {
        if (config.queue_rows_max > 0) top.fault("queue_rows_max", "and max_queue_size are one setting");
        config.queue_rows_max = rows;
    }
    top.integer<std::uint64_t>("deadline_ms", config.deadline_ms, 1, kMillisecondsMax);
    top.integer<std::uint64_t>("tokens_max", config.tokens_max, 1, 1ULL << 32U);
}

}  // namespace

void read_scheduling(MapReader& top, bool ours, ModelConfig& config) {
    config.max_batch_size_given = top.integer<std::uint32_t>("max_batch_size", config.max_batch_size, 0, kRowsMax);
    read_batching(top, ours, config);
    read_versions(top, config);
    if (ours) read_own_bounds(top, config);
}

}  // namespace tidegate::model::config
