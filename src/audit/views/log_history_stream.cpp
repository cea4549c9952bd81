// LogHistory::for_each(): many matches, in windows of bounded memory.
#include <span>

#include "audit/views/log_history_walk.h"

namespace tidegate::audit {
namespace {

using segments::Bytes;

constexpr std::uint32_t kWindowRows = 32'768;
constexpr std::size_t kWindowBytes = 16U * 1024 * 1024;
// A scan reads whole batches and walks over those before its first, a single read opens the segment and reads two pages: some
// 6 us against 0.3 us a record (measured with records of 300 bytes).
constexpr std::size_t kScanFrom = 32;  // One match in so many rows.

/// Records as they lie in the log, one after the other.
class Window {
  public:
    void clear() {
        bytes_.clear();
        records_.clear();
    }
    bool add(std::uint64_t leaf, Bytes record) {
        if (bytes_.size() + record.size() > kWindowBytes) return false;
        records_.push_back({leaf, bytes_.size(), record.size()});
        bytes_.insert(bytes_.end(), record.begin(), record.end());
        return true;
    }
    /// False: `visit` wants no more.
    Result<bool> visit_all(const HistoryFilter& filter, Order order, const LogHistory::VisitLeaf& visit) const {
        for (std::size_t i = 0; i < records_.size(); ++i) {
            const Place& place = records_[order == Order::kOldestFirst ? i : records_.size() - 1 - i];
            TG_TRY(const auto record, segments::decode(Bytes(bytes_).subspan(place.offset, place.size)));
            if (matches(filter, record) && !visit(place.leaf, segments::to_decision(record))) return false;
        }
        return true;
    }

  private:
    struct Place {
        std::uint64_t leaf;
        std::size_t offset;
        std::size_t size;
    };
    std::vector<std::uint8_t> bytes_;
    std::vector<Place> records_;
};

class Streamer {
  public:
    Streamer(const LogReader& reader, const HistoryFilter& filter, Order order, const LogHistory::VisitLeaf& visit)
        : reader_(reader), filter_(filter), order_(order), visit_(visit) {}

    /// `leaves` ascend and lie within `rows` rows of each other. False: `visit` wants no more.
    Result<bool> stream(std::span<const std::uint64_t> leaves, std::uint32_t rows) {
        if (leaves.empty()) return true;
        if (leaves.size() * kScanFrom < rows) return read_each(leaves);
        TG_TRY(const std::size_t held, fill(leaves));
        if (held == leaves.size()) return window_.visit_all(filter_, order_, visit_);
        // Long records: half of them at a time, the half that comes first in this order first.
        if (leaves.size() == 1) return read_each(leaves);
        const std::size_t half = leaves.size() / 2;
        const bool oldest = order_ == Order::kOldestFirst;
        TG_TRY(const bool more, stream(oldest ? leaves.first(half) : leaves.subspan(half), rows / 2));
        if (!more) return false;
        return stream(oldest ? leaves.subspan(half) : leaves.first(half), rows / 2);
    }

  private:
    Result<bool> read_each(std::span<const std::uint64_t> leaves) {
        for (std::size_t i = 0; i < leaves.size(); ++i) {
            const std::uint64_t leaf = leaves[order_ == Order::kOldestFirst ? i : leaves.size() - 1 - i];
            const auto record = reader_.read(leaf);
            if (!record && record.error().code == ErrorCode::kNotFound) continue;  // Retention.
            if (!record) return std::unexpected(record.error());
            if (matches(filter_, record->decision) && !visit_(leaf, record->decision)) return false;
        }
        return true;
    }

    /// Reads them into the window; how many of them are dealt with, those that retention has taken included.
    Result<std::size_t> fill(std::span<const std::uint64_t> leaves) {
        window_.clear();
        std::size_t next = 0;
        while (next < leaves.size()) {
            const std::uint64_t first = reader_.first_leaf();
            while (next < leaves.size() && leaves[next] < first) ++next;
            if (next == leaves.size()) break;
            bool full = false;
            const auto visited = reader_.scan(leaves[next], leaves.back() + 1, [&](std::uint64_t leaf, Bytes record) {
                if (leaf != leaves[next]) return true;
                full = !window_.add(leaf, record);
                return !full && ++next < leaves.size();
            });
            if (full) return next;
            if (!visited && reader_.first_leaf() <= first) return std::unexpected(visited.error());
            if (visited && next < leaves.size()) return fail(ErrorCode::kDataLoss, "the log ends before its columns");
        }
        return leaves.size();
    }

    const LogReader& reader_;
    const HistoryFilter& filter_;
    const Order order_;
    const LogHistory::VisitLeaf& visit_;
    Window window_;
};

}  // namespace

Result<void> LogHistory::for_each(const HistoryFilter& filter, const Walk& walk, const VisitLeaf& visit) const {
    RowWalk rows(filter, walk, columns_, reader_);
    Streamer streamer(reader_, filter, walk.order, visit);
    std::vector<std::uint64_t> leaves;
    for (const ChunkRange& range : rows.chunks()) {
        if (!rows.may_match(range)) continue;
        TG_TRY(const auto chunk, columns_.load(*range.chunk));
        const std::uint32_t windows = (range.to - range.from + kWindowRows - 1) / kWindowRows;
        for (std::uint32_t i = 0; i < windows; ++i) {
            const std::uint32_t window = walk.order == Order::kOldestFirst ? i : windows - 1 - i;
            const std::uint32_t from = range.from + window * kWindowRows;
            const std::uint32_t to = std::min(range.to, from + kWindowRows);
            leaves.clear();
            for (std::uint32_t row = from; row < to; ++row) {
                if (rows.matches_row(*chunk, row)) leaves.push_back(range.chunk->first_leaf() + row);
            }
            TG_TRY(const bool more, streamer.stream(leaves, to - from));
            if (!more) return {};
        }
    }
    return {};
}

}  // namespace tidegate::audit
