#include "bus/source_marks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "audit/segments/crc32c.h"
#include "base/strings.h"

namespace tidegate::bus {
namespace {

using audit::segments::bytes_of;
using audit::segments::kBatchHeaderBytes;
using audit::segments::kBlockBytes;

constexpr std::string_view kFirstLine = "tidegate bus sources 1";

std::optional<LogId> parse_log_id(std::string_view text) {
    LogId id{};
    if (text.size() != 2 * id.size()) return std::nullopt;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool digit = c >= '0' && c <= '9';
        if (!digit && (c < 'a' || c > 'f')) return std::nullopt;
        id[i / 2] = static_cast<std::uint8_t>(id[i / 2] * 16 + (digit ? c - '0' : c - 'a' + 10));
    }
    return id;
}

// The words of a line `NAME a b c`; nothing when it is another line.
std::optional<std::vector<std::uint64_t>> numbers(std::string_view line, std::string_view name, std::size_t count,
                                                  std::size_t skip = 1) {
    const auto words = split(line, ' ');
    if (words.size() != count + skip || words[0] != name) return std::nullopt;
    std::vector<std::uint64_t> out;
    for (std::size_t i = skip; i < words.size(); ++i) {
        const auto number = parse_u64(words[i]);
        if (!number) return std::nullopt;
        out.push_back(*number);
    }
    return out;
}

struct SegmentToWalk {
    audit::segments::SegmentHeader header;
    std::uint64_t end_leaf = 0;
};

Result<std::vector<SegmentToWalk>> segments_of(const audit::segments::LogFolder& folder, std::uint64_t end_leaf) {
    std::vector<SegmentToWalk> segments;
    TG_TRY(const auto names, folder.list());
    for (const std::string& name : names) {
        const auto generation = audit::segments::parse_segment_name(name);
        if (!generation) continue;
        TG_TRY(const auto file, folder.open_read(name));
        std::array<std::uint8_t, kBlockBytes> block{};
        TG_TRY(const std::size_t got, file->read(0, block));
        const auto header = got == block.size() ? audit::segments::decode_header(block) : std::nullopt;
        if (header && header->generation == *generation) segments.push_back({*header, end_leaf});
    }
    std::ranges::sort(segments, {}, [](const SegmentToWalk& one) { return one.header.generation; });
    for (std::size_t i = 0; i + 1 < segments.size(); ++i) segments[i].end_leaf = segments[i + 1].header.first_leaf;
    return segments;
}

// The recovery has found these leaves sound: where they end is known, so a header is enough.
Result<void> walk_segment(const audit::segments::LogFolder& folder, const SegmentToWalk& segment, SourceMarks& marks) {
    TG_TRY(const auto file, folder.open_read(audit::segments::segment_name(segment.header.generation)));
    std::uint64_t leaf = segment.header.first_leaf;
    std::uint64_t offset = kBlockBytes;
    while (leaf < segment.end_leaf) {
        std::uint8_t bytes[kBatchHeaderBytes];
        TG_TRY(const std::size_t got, file->read(offset, bytes));
        const auto header = got == sizeof bytes ? audit::segments::decode_batch(bytes) : std::nullopt;
        if (!header || header->first_leaf != leaf || header->records > segment.end_leaf - leaf) {
            return fail(ErrorCode::kDataLoss,
                        fmt::format("the log of partition {}: the batch of leaf {} is damaged", marks.partition, leaf));
        }
        leaf += header->records;
        offset += header->padded_bytes();
        if (leaf <= marks.leaf || !header->source) continue;
        if (header->source->partition != marks.partition) {
            return fail(ErrorCode::kConflict, fmt::format("the folder of partition {} holds records of partition {}",
                                                          marks.partition, header->source->partition));
        }
        add_source(marks, *header->source);
    }
    return {};
}

}  // namespace

std::string encode_sources(const SourceMarks& marks) {
    std::string text =
        fmt::format("{}\ntopic {}\npartition {}\nleaf {}\n", kFirstLine, marks.topic, marks.partition, marks.leaf);
    if (marks.next_offset) text += fmt::format("next {}\n", *marks.next_offset);
    for (const auto& [origin, mark] : marks.origins) {
        // The last one first: whose it is stands in `last`.
        text += fmt::format("origin {} {} {} {} {}\n", to_hex(origin.data(), origin.size()), mark.round_first,
                            mark.round_end, mark.block_first, mark.covered);
    }
    text += fmt::format("last {}\n", to_hex(marks.last_origin.data(), marks.last_origin.size()));
    text += fmt::format("crc32c {:08x}\n", audit::segments::crc32c(bytes_of(text)));
    return text;
}

std::optional<SourceMarks> decode_sources(std::string_view text) {
    const auto lines = split(text, '\n');
    if (lines.size() < 7 || lines[0] != kFirstLine || !lines[1].starts_with("topic ")) return std::nullopt;
    SourceMarks marks;
    marks.topic = lines[1].substr(6);
    const auto partition = numbers(lines[2], "partition", 1);
    const auto leaf = numbers(lines[3], "leaf", 1);
    if (!partition || !leaf || (*partition)[0] > 0xffffffffU) return std::nullopt;
    marks.partition = static_cast<std::uint32_t>((*partition)[0]);
    marks.leaf = (*leaf)[0];
    for (const std::string_view line : std::span(lines).subspan(4)) {
        const auto words = split(line, ' ');
        if (const auto next = numbers(line, "next", 1)) marks.next_offset = (*next)[0];
        if (words[0] == "last" && words.size() == 2) marks.last_origin = parse_log_id(words[1]).value_or(LogId{});
        if (words[0] != "origin" || words.size() != 6) continue;
        const auto origin = parse_log_id(words[1]);
        const auto mark = numbers(line, "origin", 4, 2);
        if (!origin || !mark) return std::nullopt;
        marks.origins[*origin] = {(*mark)[0], (*mark)[1], (*mark)[2], (*mark)[3]};
    }
    // One form only: what we would write is what must stand there.
    if (encode_sources(marks) != text) return std::nullopt;
    return marks;
}

void add_source(SourceMarks& marks, const audit::segments::SourceMark& source) {
    marks.next_offset = source.next_offset;
    marks.last_origin = source.origin;
    const BlockLabel label{source.origin, source.round_first, source.round_end, source.block_first};
    if (label == BlockLabel{}) return;  // An event before the first block.
    const auto found = marks.origins.find(source.origin);
    const auto mark = found == marks.origins.end() ? std::nullopt : std::optional(found->second);
    marks.origins[source.origin] = advance(mark, label);
}

Result<void> walk_sources(const audit::segments::LogFolder& folder, std::uint64_t end_leaf, SourceMarks& marks) {
    if (end_leaf < marks.leaf) {
        return fail(ErrorCode::kDataLoss, fmt::format("the log of partition {} has {} records, and once had {}",
                                                      marks.partition, end_leaf, marks.leaf));
    }
    TG_TRY(const auto segments, segments_of(folder, end_leaf));
    for (const SegmentToWalk& segment : segments) {
        if (segment.end_leaf > marks.leaf) TG_CHECK(walk_segment(folder, segment, marks));
    }
    marks.leaf = end_leaf;
    return {};
}

}  // namespace tidegate::bus
