#include "services/compliance/drift/extract.h"

#include <cmath>
#include <utility>

#include "base/json.h"
#include "base/strings.h"

namespace tidegate::compliance {
namespace {

using audit::Status;
using audit::segments::RecordView;
using audit::segments::tag_of;

// Larger outputs are not looked into: the copy would weigh on the log's thread.
constexpr std::size_t kOutputBytesMax = 16 * 1024;

double failed(Status status) {
    switch (status) {
        case Status::kSuccess:
            return 0;
        case Status::kError:
        case Status::kTimeout:
            return 1;
        default:
            return drift::kNotCounted;  // Refused or cancelled: the caller's doing.
    }
}

std::string word_of(const RecordView& record, std::string_view tag) {
    return std::string(tag_of(record, tag).value_or(std::string_view()));
}

void take_answer(const RecordView& record, drift::Observation& seen) {
    seen.confidence = record.confidence.value_or(drift::kMissing);
    seen.output_size = static_cast<double>(record.output.size());
    if (record.tokens_stated) seen.tokens = static_cast<double>(record.tokens);
    seen.band = record.band;
    // An answer from the cache is as fast as the cache, whatever the model is.
    const bool kept = record.cache == audit::CacheState::kHit || record.cache == audit::CacheState::kStale;
    if (!kept && record.latency_stated) seen.latency_us = static_cast<double>(record.latency_us);
}

}  // namespace

Extract::Extract(std::vector<std::string> segments, std::vector<std::string> numbers)
    : segments_(std::move(segments)), numbers_(std::move(numbers)) {}

std::optional<Queued> Extract::take(std::uint64_t leaf, const RecordView& record) const {
    if (record.kind != audit::RecordKind::kDecision) return std::nullopt;
    Queued queued;
    queued.leaf = leaf;
    drift::Observation& seen = queued.observation;
    seen.key.service = record.service;
    seen.key.operation = record.operation;
    seen.key.model = record.model;
    seen.key.tenant = record.tenant;
    // The server's own clock: a record's id may carry a time that somebody else chose.
    seen.at = record.recorded;
    seen.failed = failed(record.status);
    if (record.input_size_stated) seen.input_size = static_cast<double>(record.input_size);
    seen.language = word_of(record, "language");
    seen.text_length = drift::kMissing;
    if (const auto length = tag_of(record, "text_length")) {
        seen.text_length = parse_double(*length).value_or(drift::kMissing);
    }
    if (record.status == Status::kSuccess) take_answer(record, seen);
    for (const std::string& tag : segments_) {
        if (const auto value = tag_of(record, tag)) seen.segments.push_back(tag + "=" + std::string(*value));
    }
    if (numbers_.empty()) return queued;
    seen.numbers.assign(numbers_.size(), record.status == Status::kSuccess ? drift::kMissing : drift::kNotCounted);
    for (std::size_t i = 0; i < numbers_.size(); ++i) {
        if (const auto value = tag_of(record, numbers_[i])) {
            seen.numbers[i] = parse_double(*value).value_or(drift::kMissing);
        }
    }
    if (record.output.size() <= kOutputBytesMax) queued.output = record.output;
    return queued;
}

void Extract::finish(Queued& queued) const {
    if (queued.output.empty()) return;
    const auto document = json::parse(queued.output);
    queued.output.clear();
    if (!document || document->root().kind() != json::Kind::kObject) return;
    for (std::size_t i = 0; i < numbers_.size(); ++i) {
        const auto member = document->root().find(numbers_[i]);
        if (member && member->is_number()) queued.observation.numbers[i] = member->as_double();
    }
}

}  // namespace tidegate::compliance
