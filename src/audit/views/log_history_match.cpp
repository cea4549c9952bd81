#include "audit/views/log_history_match.h"

namespace tidegate::audit {
namespace {

/// Everything but time and actor: what a kind says too.
template <class Record>
bool same_kind(const HistoryFilter& filter, const Record& record) {
    const auto same = [](const auto& wanted, const auto& have) { return !wanted || *wanted == have; };
    return same(filter.tenant, record.tenant) && same(filter.service, record.service) &&
           same(filter.operation, record.operation) && same(filter.content_type, content_type_of(record.operation)) &&
           same(filter.band, record.band) && same(filter.status, record.status) && same(filter.model, record.model) &&
           same(filter.model_version, record.model_version);
}

template <class Record>
bool same(const HistoryFilter& filter, const Record& record) {
    if (record.kind != filter.kind || !same_kind(filter, record)) return false;
    if (filter.actor && *filter.actor != record.actor) return false;
    const UnixMillis time = unix_ms_of(record.id);
    return (!filter.from || time >= *filter.from) && (!filter.to || time < *filter.to);
}

}  // namespace

bool matches(const HistoryFilter& filter, const segments::RecordView& record) {
    return same(filter, record);
}

bool matches(const HistoryFilter& filter, const Decision& decision) {
    return same(filter, decision);
}

KindMatch::KindMatch(const HistoryFilter& filter, const Kinds& kinds) : filter_(filter), kinds_(kinds) {
    learn();
}

void KindMatch::learn() {
    const std::uint32_t size = kinds_.size();
    known_.reserve(size);
    for (auto kind = static_cast<std::uint32_t>(known_.size()); kind < size; ++kind) {
        const bool through = judge(kinds_.name(kind));
        known_.push_back(through ? 1 : 0);
        if (through) bits_ |= kind_bit(kind);
    }
}

bool KindMatch::judge(const KindName& name) {
    if (name.record != filter_.kind) return false;
    if (name.service != Kinds::kOther) return same_kind(filter_, name);
    HistoryFilter kept;
    kept.tenant = filter_.tenant;
    kept.status = filter_.status;
    if (!same_kind(kept, name)) return false;
    exact_ = false;
    return true;
}

}  // namespace tidegate::audit
