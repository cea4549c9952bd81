#include "audit/segments/catalog.h"

namespace tidegate::audit::segments {

Result<void> SegmentEntry::find(Run run, std::uint64_t key, std::size_t limit, std::vector<std::uint32_t>& out) const {
    if (live == nullptr) return index->find(run, key, limit, out);
    live->find(run, key, limit, out);
    return {};
}

Result<RecordPlace> SegmentEntry::place(std::uint32_t record) const {
    if (live == nullptr) return index->place(record);
    return live->place(record);
}

Result<std::vector<RecordPlace>> SegmentEntry::places(std::span<const std::uint32_t> records) const {
    if (live == nullptr) return index->places(records);
    std::vector<RecordPlace> places;
    places.reserve(records.size());
    for (const std::uint32_t record : records) places.push_back(live->place(record));
    return places;
}

std::shared_ptr<const Catalog::Entries> Catalog::entries() const {
    const Lock lock(mutex_);
    return entries_;
}

void Catalog::push(std::shared_ptr<const SegmentEntry> entry) {
    const Lock lock(mutex_);
    auto next = std::make_shared<Entries>(*entries_);
    next->push_back(std::move(entry));
    entries_ = std::move(next);
}

void Catalog::replace(std::shared_ptr<const SegmentEntry> entry) {
    const Lock lock(mutex_);
    auto next = std::make_shared<Entries>(*entries_);
    for (auto& known : *next) {
        if (known->header.generation == entry->header.generation) known = entry;
    }
    entries_ = std::move(next);
}

void Catalog::drop_front(std::size_t count) {
    const Lock lock(mutex_);
    entries_ = std::make_shared<Entries>(entries_->begin() + static_cast<std::ptrdiff_t>(count), entries_->end());
}

}  // namespace tidegate::audit::segments
