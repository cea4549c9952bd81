#include "audit/segments/log_reader.h"

#include <fmt/format.h>

#include "audit/segments/batch_scan.h"

namespace tidegate::audit::segments {
namespace {

// Most records are below 1 KiB: one read.
constexpr std::size_t kFirstBytes = 1024;
// A read costs about as much as copying 8 KiB: what lies between two records is read over rather than jumped.
constexpr std::uint64_t kGapMax = 8 * 1024;
constexpr std::uint64_t kRunBytesMax = 256 * 1024;

std::unexpected<Error> rotten(std::uint64_t leaf) {
    return fail(ErrorCode::kDataLoss, fmt::format("record {} of the log is damaged", leaf));
}

// The first `count` of some places, which are read at once.
struct Neighbours {
    std::uint64_t offset = 0;
    std::size_t bytes = 0;
    std::size_t count = 0;
};
Neighbours neighbours_of(std::span<const RecordPlace> places) {
    std::uint64_t low = places[0].offset;
    std::uint64_t high = low + kFirstBytes;
    std::size_t count = 1;
    for (; count < places.size(); ++count) {
        const std::uint64_t begin = places[count].offset;
        const std::uint64_t end = begin + kFirstBytes;
        if (begin > high + kGapMax || end + kGapMax < low) break;
        if (std::max(high, end) - std::min(low, begin) > kRunBytesMax) break;
        low = std::min(low, begin);
        high = std::max(high, end);
    }
    return {.offset = low, .bytes = static_cast<std::size_t>(high - low), .count = count};
}

// The record at a place of which `held` are the first bytes; `longer` takes one of which they are not all. It is what its place says, or an error.
Result<Bytes> whole_record(const LogFile& file, const RecordPlace& place, Bytes held, std::vector<std::uint8_t>& longer,
                           std::uint64_t leaf) {
    if (held.size() < 4) return rotten(leaf);
    const std::size_t size = std::size_t{4} + get<std::uint32_t>(held.data());
    if (size > 4 + kRecordBytesMax) return rotten(leaf);
    if (size > held.size()) {
        longer.resize(size);
        TG_TRY(const std::size_t got, file.read(place.offset, longer));
        if (got < size) return rotten(leaf);
        held = longer;
    }
    held = held.first(size);
    // The byte before the record is the top of its length, always zero, and just what the leaf hash begins with.
    if (check_of(leaf_hash_prefixed(held.subspan(3))) != place.check) return rotten(leaf);
    return held.subspan(4);
}

}  // namespace

std::uint64_t LogReader::first_leaf() const {
    const auto entries = catalog_.entries();
    return entries->empty() ? 0 : entries->front()->header.first_leaf;
}

std::uint64_t LogReader::end_leaf() const {
    const auto entries = catalog_.entries();
    return entries->empty() ? 0 : entries->back()->end_leaf();
}

const SegmentEntry* LogReader::entry_with(const Catalog::Entries& entries, std::uint64_t leaf) {
    const auto after =
        std::ranges::upper_bound(entries, leaf, {}, [](const auto& entry) { return entry->header.first_leaf; });
    // An empty segment begins at the leaf of the next one: the last that begins there holds it.
    if (after == entries.begin() || leaf >= (*std::prev(after))->end_leaf()) return nullptr;
    return std::prev(after)->get();
}

Result<Record> LogReader::read(std::uint64_t leaf) const {
    const auto entries = catalog_.entries();
    const SegmentEntry* const entry = entry_with(*entries, leaf);
    if (entry == nullptr) return fail(ErrorCode::kNotFound, fmt::format("the log has no record {}", leaf));
    auto record = read_from(*entry, static_cast<std::uint32_t>(leaf - entry->header.first_leaf));
    if (!record && is_gone(*entry)) return fail(ErrorCode::kNotFound, fmt::format("the log has no record {}", leaf));
    return record;
}

Result<void> LogReader::read_each(std::span<const std::uint64_t> leaves, const VisitRecord& visit) const {
    const auto entries = catalog_.entries();
    while (!leaves.empty()) {
        const SegmentEntry* const entry = entry_with(*entries, leaves.front());
        std::size_t run = 1;
        if (entry != nullptr) {
            while (run < leaves.size() && entry_with(*entries, leaves[run]) == entry) ++run;
            const auto more = read_run(*entry, leaves.first(run), visit);
            if (more && !*more) return {};
            if (!more && !is_gone(*entry)) return std::unexpected(more.error());
        }
        leaves = leaves.subspan(run);
    }
    return {};
}

// False: `visit` wants no more.
Result<bool> LogReader::read_run(const SegmentEntry& entry, std::span<const std::uint64_t> leaves,
                                 const VisitRecord& visit) const {
    TG_TRY(const auto file, folder_.open_read(segment_name(entry.header.generation)));
    std::vector<std::uint32_t> records;
    records.reserve(leaves.size());
    for (const std::uint64_t leaf : leaves) {
        records.push_back(static_cast<std::uint32_t>(leaf - entry.header.first_leaf));
    }
    TG_TRY(const std::vector<RecordPlace> places, entry.places(records));
    std::vector<std::uint8_t> bytes;
    std::vector<std::uint8_t> longer;
    for (std::size_t from = 0; from < leaves.size();) {
        const Neighbours near = neighbours_of(std::span(places).subspan(from));
        bytes.resize(std::max(bytes.size(), near.bytes));
        TG_TRY(const std::size_t got, file->read(near.offset, std::span(bytes).first(near.bytes)));
        for (std::size_t i = from; i < from + near.count; ++i) {
            const std::size_t at = places[i].offset - near.offset;
            const Bytes held = at < got ? Bytes(bytes).first(got).subspan(at) : Bytes();
            TG_TRY(const Bytes record, whole_record(*file, places[i], held, longer, leaves[i]));
            TG_TRY(const RecordView view, decode(record));
            if (!visit(leaves[i], view)) return false;
        }
        from += near.count;
    }
    return true;
}

Result<Record> LogReader::read_from(const SegmentEntry& entry, std::uint32_t record) const {
    TG_TRY(const auto file, folder_.open_read(segment_name(entry.header.generation)));
    return read_record(*file, entry, record);
}

// Retention may take a segment away, and the log may write a new one over it, while we read: what we found then is no damage.
bool LogReader::is_gone(const SegmentEntry& entry) const {
    const auto entries = catalog_.entries();
    return entries->empty() || entries->front()->header.generation > entry.header.generation;
}

Result<std::optional<Record>> LogReader::find_id(const Uuid& id) const {
    std::vector<Record> found;
    const Matches matches = [&](const Decision& decision) { return decision.id == id; };
    TG_CHECK(find({Run::kId, key_of(seed_, id), unix_ms_of(id), matches, {}, 1}, found));
    if (found.empty()) return std::nullopt;
    return std::move(found[0]);
}

Result<std::vector<Record>> LogReader::find_request(std::string_view request_id, std::size_t limit,
                                                    const Wanted& wanted) const {
    std::vector<Record> found;
    const Matches matches = [&](const Decision& decision) { return decision.request_id == request_id; };
    TG_CHECK(find({Run::kRequest, key_of(seed_, request_id), std::nullopt, matches, wanted, limit}, found));
    return found;
}

Result<std::optional<Record>> LogReader::find_request_if(std::string_view request_id, const Meant& meant) const {
    std::vector<Record> found;
    const Matches matches = [&](const Decision& decision) {
        return decision.request_id == request_id && meant(decision);
    };
    TG_CHECK(find({Run::kRequest, key_of(seed_, request_id), std::nullopt, matches, {}, 1}, found));
    if (found.empty()) return std::nullopt;
    return std::move(found.front());
}

Result<std::vector<Record>> LogReader::find_input(const Sha256& input_hash, std::size_t limit,
                                                  const Wanted& wanted) const {
    std::vector<Record> found;
    const Matches matches = [&](const Decision& decision) { return decision.input_hash == input_hash; };
    TG_CHECK(find({Run::kInput, key_of(input_hash), std::nullopt, matches, wanted, limit}, found));
    return found;
}

Result<void> LogReader::find(const Sought& sought, std::vector<Record>& out) const {
    const auto entries = catalog_.entries();
    for (std::size_t i = entries->size(); i-- > 0 && out.size() < sought.limit;) {
        const SegmentEntry& entry = *(*entries)[i];
        if (entry.index != nullptr && sought.time) {
            const ZoneMap& zone = entry.index->zone();
            if (*sought.time < zone.time_min || *sought.time > zone.time_max) continue;
        }
        const auto found = find_in(entry, sought, out);
        if (!found && !is_gone(entry)) return found;
    }
    return {};
}

// The newest candidates first, and all of them again with more where those were not wanted: a limit counts what is given.
Result<void> LogReader::find_in(const SegmentEntry& entry, const Sought& sought, std::vector<Record>& out) const {
    std::vector<std::uint32_t> candidates;
    // Keys of 64 bits that collide with another's are some in 10^8 records: room for a few of those.
    std::size_t room = sought.limit - out.size() + 8;
    for (std::uint32_t below = kSegmentRecordsMax;; room *= 4) {
        candidates.clear();
        TG_CHECK(entry.find(sought.run, sought.key, room, candidates));
        const bool all = candidates.size() < room;
        // Those of the round before, and what has been appended since, stand in front.
        std::erase_if(candidates, [below](std::uint32_t candidate) { return candidate >= below; });
        TG_CHECK(read_matching(entry, candidates, sought, out));
        if (all || out.size() == sought.limit) return {};
        if (!candidates.empty()) below = candidates.back();
    }
}

Result<void> LogReader::read_matching(const SegmentEntry& entry, std::span<const std::uint32_t> candidates,
                                      const Sought& sought, std::vector<Record>& out) const {
    std::unique_ptr<LogFile> file;
    for (const std::uint32_t candidate : candidates) {
        if (sought.wanted && !sought.wanted(entry.header.first_leaf + candidate)) continue;
        if (file == nullptr) {
            TG_TRY(file, folder_.open_read(segment_name(entry.header.generation)));
        }
        TG_TRY(Record record, read_record(*file, entry, candidate));
        if (sought.matches(record.decision)) out.push_back(std::move(record));
        if (out.size() == sought.limit) break;
    }
    return {};
}

Result<Record> LogReader::read_record(const LogFile& file, const SegmentEntry& entry, std::uint32_t record) const {
    const std::uint64_t leaf = entry.header.first_leaf + record;
    TG_TRY(const RecordPlace place, entry.place(record));
    std::vector<std::uint8_t> bytes(kFirstBytes);
    std::vector<std::uint8_t> longer;
    TG_TRY(const std::size_t got, file.read(place.offset, bytes));
    TG_TRY(const Bytes whole, whole_record(file, place, Bytes(bytes).first(got), longer, leaf));
    TG_TRY(const RecordView view, decode(whole));
    return Record{.leaf = leaf, .recorded = view.recorded, .decision = to_decision(view)};
}

Result<bool> LogReader::scan_segment(const SegmentEntry& entry, std::uint64_t& leaf, std::uint64_t to,
                                     const Visit& visit) const {
    const std::uint64_t end = entry.end_leaf();
    if (leaf < entry.header.first_leaf) return rotten(leaf);
    TG_TRY(const auto file, folder_.open_read(segment_name(entry.header.generation)));
    BatchScan batches(*file, entry.header, end);
    TG_CHECK(batches.skip_to(leaf));
    while (leaf < std::min(end, to)) {
        TG_TRY(const auto batch, batches.next());
        if (!batch) return rotten(leaf);
        RecordCursor cursor(batch->payload);
        Bytes record;
        for (std::uint64_t at = batch->header.first_leaf; at < to && cursor.next(record); ++at) {
            if (at < leaf) continue;
            leaf = at + 1;
            if (!visit(at, record)) return false;
        }
    }
    return true;
}

Result<std::uint64_t> LogReader::scan(std::uint64_t from, std::uint64_t to, const Visit& visit) const {
    const auto entries = catalog_.entries();
    std::uint64_t leaf = from;
    if (entries->empty()) return leaf;
    if (from < entries->front()->header.first_leaf) {
        return fail(ErrorCode::kNotFound, fmt::format("the log begins at record {}", (*entries)[0]->header.first_leaf));
    }
    for (const auto& entry : *entries) {
        if (leaf >= to) break;
        if (leaf >= entry->end_leaf()) continue;
        TG_TRY(const bool more, scan_segment(*entry, leaf, to, visit));
        if (!more) break;
    }
    return leaf;
}

// The zone map of a segment that is still written changes under us: it is read.
bool LogReader::may_hold(const SegmentEntry& entry, const ZoneFilter& filter) const {
    return entry.index == nullptr || may_contain(entry.index->zone(), filter, seed_);
}

Result<void> LogReader::scan_where(const ZoneFilter& filter, const Visit& visit) const {
    const auto entries = catalog_.entries();
    for (const auto& entry : *entries) {
        if (!may_hold(*entry, filter)) continue;
        std::uint64_t leaf = entry->header.first_leaf;
        if (leaf >= entry->end_leaf()) continue;
        TG_TRY(const bool more, scan_segment(*entry, leaf, entry->end_leaf(), visit));
        if (!more) return {};
    }
    return {};
}

Result<std::vector<LeafRange>> LogReader::ranges_where(const ZoneFilter& filter) const {
    std::vector<LeafRange> ranges;
    for (const auto& entry : *catalog_.entries()) {
        const LeafRange range{entry->header.first_leaf, entry->end_leaf()};
        if (range.from >= range.to || !may_hold(*entry, filter)) continue;
        if (!ranges.empty() && ranges.back().to == range.from) {
            ranges.back().to = range.to;
        } else {
            ranges.push_back(range);
        }
    }
    return ranges;
}

Result<void> LogReader::each_part(const VisitPart& visit) const {
    const auto entries = catalog_.entries();
    std::size_t sealed = 0;
    while (sealed < entries->size() && (*entries)[sealed]->index != nullptr) ++sealed;
    for (std::size_t i = 0; i < sealed; ++i) {
        const SegmentEntry& entry = *(*entries)[i];
        if (!visit({{entry.header.first_leaf, entry.end_leaf()}, entry.index->zone(), i + 1 < sealed})) break;
    }
    return {};
}

Result<std::optional<MerkleStack>> LogReader::tree_before(std::uint64_t leaf) const {
    const auto entries = catalog_.entries();
    const auto after =
        std::ranges::upper_bound(*entries, leaf, {}, [](const auto& entry) { return entry->header.first_leaf; });
    if (after == entries->begin()) return std::nullopt;
    return (*std::prev(after))->header.before;
}

}  // namespace tidegate::audit::segments
