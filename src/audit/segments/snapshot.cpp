#include "audit/segments/snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "audit/segments/batch_scan.h"
#include "audit/segments/format.h"

namespace tidegate::audit::segments {
namespace {

constexpr std::size_t kPieceBytes = 1024 * 1024;
constexpr std::uint64_t kCheckpointsBytesMax = 4UL * 1024 * 1024 * 1024;
constexpr std::uint64_t kIndexBytesMax = 1024UL * 1024 * 1024;
constexpr int kTriesMax = 5;  // Retention removes a segment in minutes, a copy takes seconds.

struct Source {
    SegmentHeader header;
    std::unique_ptr<LogFile> file;
};

Result<std::optional<SegmentHeader>> header_of(const LogFile& file, std::uint64_t generation) {
    std::array<std::uint8_t, kBlockBytes> block{};
    TG_TRY(const std::size_t got, file.read(0, block));
    const auto header = got == block.size() ? decode_header(block) : std::nullopt;
    if (!header || header->generation != generation) return std::nullopt;
    return header;
}

/// The begun segments, oldest first. Nothing: one of them went while they were opened.
Result<std::optional<std::vector<Source>>> open_segments(const LogFolder& from, const Head& head) {
    TG_TRY(const auto names, from.list());
    std::vector<std::uint64_t> generations;
    for (const std::string& name : names) {
        const auto generation = parse_segment_name(name);
        if (generation && *generation >= head.kept_generation) generations.push_back(*generation);
    }
    std::ranges::sort(generations);
    std::vector<Source> sources;
    for (const std::uint64_t generation : generations) {
        auto file = from.open_read(segment_name(generation));
        if (!file && file.error().code == ErrorCode::kNotFound) return std::nullopt;
        if (!file) return std::unexpected(std::move(file).error());
        TG_TRY(const auto header, header_of(**file, generation));
        if (!header) break;  // Prepared, not begun: the log ends before it.
        if (!sources.empty() && generation != sources.back().header.generation + 1) return std::nullopt;
        sources.push_back({*header, *std::move(file)});
    }
    // What HEAD knows of has been begun long ago.
    const std::uint64_t needed = std::max<std::uint64_t>(head.sealed_generation, head.kept_generation - 1);
    if (sources.empty() && head.sealed_generation == 0) return sources;
    if (sources.empty() || sources.back().header.generation < needed) return std::nullopt;
    if (sources.front().header.generation != head.kept_generation) return std::nullopt;
    return sources;
}

Result<void> copy_bytes(const LogFile& from, LogFile& to, std::uint64_t begin, std::uint64_t end) {
    std::vector<std::uint8_t> piece(kPieceBytes);
    for (std::uint64_t at = begin; at < end;) {
        const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), end - at));
        TG_TRY(const std::size_t got, from.read(at, std::span(piece).first(size)));
        if (got != size) return fail(ErrorCode::kDataLoss, "a segment is shorter than its header says");
        TG_CHECK(to.write(at, Bytes(piece).first(size)));
        at += size;
    }
    return {};
}

/// Where the sound batches of the last segment end, and the leaf behind them.
Result<std::pair<std::uint64_t, std::uint64_t>> end_of(const Source& last) {
    BatchScan scan(*last.file, last.header, ~std::uint64_t{0});
    for (;;) {
        TG_TRY(const auto batch, scan.next());
        if (!batch) return std::pair(scan.offset(), scan.leaf());
    }
}

/// False: retention has let it go meanwhile and it may hold anything.
Result<bool> copy_segment(const LogFolder& from, LogFolder& to, const Source& source, std::uint64_t end) {
    const std::string name = segment_name(source.header.generation);
    TG_CHECK(to.prepare(name, source.header.file_bytes, Preparation::kReserve));
    TG_TRY(const auto target, to.open_write(name));
    TG_CHECK(copy_bytes(*source.file, *target, 0, end));
    TG_CHECK(target->sync());
    TG_TRY(const auto now, header_of(*source.file, source.header.generation));
    if (!now || !(*now == source.header)) return false;
    const std::string index = index_name(source.header.generation);
    if (const auto bytes = read_whole(from, index, kIndexBytesMax)) TG_CHECK(to.write_whole(index, *bytes));
    return true;
}

Result<std::optional<Snapshot>> try_copy(const LogFolder& from, LogFolder& to) {
    auto checkpoints = read_whole(from, "checkpoints", kCheckpointsBytesMax);
    if (!checkpoints && checkpoints.error().code != ErrorCode::kNotFound) {
        return std::unexpected(std::move(checkpoints).error());
    }
    TG_TRY(const std::string head_text, read_whole(from, std::string(kHeadName), kBlockBytes));
    const auto head = decode_head(head_text);
    if (!head) return fail(ErrorCode::kDataLoss, "HEAD of the log is damaged");
    TG_TRY(const auto sources, open_segments(from, *head));
    if (!sources) return std::nullopt;
    Snapshot made{.first_leaf = head->kept_leaf, .end_leaf = head->kept_leaf, .segments = sources->size()};
    for (const Source& source : *sources) {
        std::uint64_t end = source.header.file_bytes;
        if (&source == &sources->back()) {
            TG_TRY(const auto last, end_of(source));
            end = last.first;
            made.end_leaf = last.second;
        }
        TG_TRY(const bool there, copy_segment(from, to, source, end));
        if (!there) return std::nullopt;
        made.bytes += end;
    }
    if (checkpoints) TG_CHECK(to.write_whole("checkpoints", *checkpoints));
    // Last: without it the copy is no log.
    TG_CHECK(to.write_whole(std::string(kHeadName), head_text));
    return made;
}

}  // namespace

Result<Snapshot> copy_log(const LogFolder& from, LogFolder& to) {
    for (int tries = 0; tries < kTriesMax; ++tries) {
        TG_TRY(const auto made, try_copy(from, to));
        if (made) return *made;
        TG_TRY(const auto names, to.list());
        for (const std::string& name : names) TG_CHECK(to.remove(name));
    }
    return fail(ErrorCode::kUnavailable, "segments were removed from the log while it was copied; try again");
}

}  // namespace tidegate::audit::segments
