// Catalog: the begun segments of the log, oldest first, as readers see them.
//
// Threads     The log changes it under a lock; a reader takes the current list, which never changes under its hands.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "audit/segments/index_file.h"
#include "base/mutex.h"

namespace tidegate::audit::segments {

/// Either open or being sealed (`live`), or sealed (`index`).
struct SegmentEntry {
    SegmentHeader header;
    std::shared_ptr<const LiveKeys> live;
    std::shared_ptr<const IndexFile> index;

    std::uint64_t records() const noexcept { return live != nullptr ? live->count() : index->count(); }
    std::uint64_t end_leaf() const noexcept { return header.first_leaf + records(); }
    Result<void> find(Run run, std::uint64_t key, std::size_t limit, std::vector<std::uint32_t>& out) const;
    Result<RecordPlace> place(std::uint32_t record) const;
    Result<std::vector<RecordPlace>> places(std::span<const std::uint32_t> records) const;
};

class Catalog {
  public:
    using Entries = std::vector<std::shared_ptr<const SegmentEntry>>;

    std::shared_ptr<const Entries> entries() const;
    void push(std::shared_ptr<const SegmentEntry> entry);
    /// In place of the one of the same generation, if that is still there.
    void replace(std::shared_ptr<const SegmentEntry> entry);
    /// The oldest `count` go.
    void drop_front(std::size_t count);

  private:
    mutable Mutex mutex_;
    std::shared_ptr<const Entries> entries_ TG_GUARDED_BY(mutex_) = std::make_shared<Entries>();
};

}  // namespace tidegate::audit::segments
