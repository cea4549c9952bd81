#include "audit/segments/log_reader.h"

#include <fmt/format.h>

#include "audit/segments/batch_scan.h"

namespace tidegate::audit::segments {
namespace {

std::unexpected<Error> rotten(std::uint64_t leaf) {
    return fail(ErrorCode::kDataLoss, fmt::format("record {} of the log is damaged", leaf));
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

Result<Record> LogReader::read(std::uint64_t leaf) const {
    const auto entries = catalog_.entries();
    const auto after =
        std::ranges::upper_bound(*entries, leaf, {}, [](const auto& entry) { return entry->header.first_leaf; });
    // An empty segment begins at the leaf of the next one: the last that begins there holds it.
    if (after == entries->begin() || leaf >= (*std::prev(after))->end_leaf()) {
        return fail(ErrorCode::kNotFound, fmt::format("the log has no record {}", leaf));
    }
    const SegmentEntry& entry = **std::prev(after);
    auto record = read_from(entry, static_cast<std::uint32_t>(leaf - entry.header.first_leaf));
    if (!record && is_gone(entry)) return fail(ErrorCode::kNotFound, fmt::format("the log has no record {}", leaf));
    return record;
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
    // Most records are below 1 KiB: one read. The byte before the record is the top of its length, always zero, and
    // just what the leaf hash begins with.
    std::vector<std::uint8_t> bytes(1024);
    TG_TRY(std::size_t got, file.read(place.offset, bytes));
    if (got < 4) return rotten(leaf);
    const std::size_t size = std::size_t{4} + get<std::uint32_t>(bytes.data());
    if (size > 4 + kRecordBytesMax) return rotten(leaf);
    if (size > got) {
        bytes.resize(size);
        TG_TRY(got, file.read(place.offset, bytes));
        if (got < size) return rotten(leaf);
    }
    const Bytes whole = Bytes(bytes).first(size);
    if (check_of(leaf_hash_prefixed(whole.subspan(3))) != place.check) return rotten(leaf);
    TG_TRY(const RecordView view, decode(whole.subspan(4)));
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
