#include "audit/segments/format.h"

#include <fmt/format.h>

#include "audit/segments/crc32c.h"
#include "base/strings.h"

namespace tidegate::audit::segments {
namespace {

using Magic = std::array<std::uint8_t, 8>;
// 0xF5 stands in no UTF-8 text, so no output or name can hold one of these.
constexpr Magic kSegmentMagic{0xF5, 'T', 'G', 'S', 'E', 'G', 'M', 'T'};
constexpr Magic kBatchMagic{0xF5, 'T', 'G', 'B', 'A', 'T', 'C', 'H'};
constexpr Magic kFooterMagic{0xF5, 'T', 'G', 'F', 'O', 'O', 'T', 'R'};
constexpr std::uint16_t kFormatVersion = 1;
// The header block states the tree before its segment since version 2.
constexpr std::uint16_t kSegmentVersion = 2;
// A batch header that states a source.
constexpr std::uint16_t kSourceVersion = 2;
constexpr std::size_t kBlockCrcAt = kBlockBytes - 4;
constexpr std::size_t kBatchCrcAt = kBatchHeaderBytes - 4;
constexpr std::size_t kPeaksAt = 128;

std::uint16_t version_of(const Magic& magic) noexcept {
    return &magic == &kSegmentMagic ? kSegmentVersion : kFormatVersion;
}

void put_start(std::uint8_t* at, const Magic& magic, const LogId& log_id) noexcept {
    std::memcpy(at, magic.data(), magic.size());
    put(at + 8, version_of(magic));
    std::memcpy(at + 16, log_id.data(), log_id.size());
}

bool has_start(const std::uint8_t* at, const Magic& magic, std::uint16_t version) noexcept {
    return std::memcmp(at, magic.data(), magic.size()) == 0 && get<std::uint16_t>(at + 8) == version &&
           get<std::uint16_t>(at + 10) == 0;
}
bool has_start(const std::uint8_t* at, const Magic& magic) noexcept {
    return has_start(at, magic, version_of(magic));
}

bool block_is_whole(ConstBlock block, const Magic& magic) noexcept {
    return has_start(block.data(), magic) &&
           get<std::uint32_t>(block.data() + kBlockCrcAt) == crc32c(block.first<kBlockCrcAt>());
}

void seal_block(Block block) noexcept {
    put(block.data() + kBlockCrcAt, crc32c(block.first<kBlockCrcAt>()));
}

// Header and footer state a tree alike: the number of peaks at 12, the root at 96, the peaks behind it.
constexpr std::size_t kPeaksMax = 64;

void put_tree(std::uint8_t* at, const MerkleStack& tree) noexcept {
    const auto peaks = tree.peaks();
    put(at + 12, static_cast<std::uint32_t>(peaks.size()));
    const Sha256 root = tree.root();
    std::memcpy(at + 96, root.data(), root.size());
    for (std::size_t i = 0; i < peaks.size(); ++i) {
        std::memcpy(at + kPeaksAt + i * sizeof(Sha256), peaks[i].data(), sizeof(Sha256));
    }
}

std::optional<MerkleStack> tree_at(ConstBlock block, std::uint64_t size) noexcept {
    const auto count = get<std::uint32_t>(block.data() + 12);
    if (count > kPeaksMax) return std::nullopt;
    const std::size_t end = kPeaksAt + count * sizeof(Sha256);
    if (!all_zero(block.subspan(end, kBlockCrcAt - end))) return std::nullopt;
    std::array<Sha256, kPeaksMax> peaks;
    std::memcpy(peaks.data(), block.data() + kPeaksAt, count * sizeof(Sha256));
    auto tree = MerkleStack::restore(size, std::span(peaks).first(count));
    if (!tree || std::memcmp(tree->root().data(), block.data() + 96, sizeof(Sha256)) != 0) return std::nullopt;
    return *std::move(tree);
}

LogId log_id_at(const std::uint8_t* at) noexcept {
    LogId id;
    std::memcpy(id.data(), at, id.size());
    return id;
}

void put_source(std::uint8_t* at, const SourceMark& source) noexcept {
    put(at + 8, kSourceVersion);
    put(at + 60, source.partition);
    put(at + 72, source.next_offset);
    std::memcpy(at + 80, source.origin.data(), source.origin.size());
    put(at + 96, source.round_first);
    put(at + 104, source.round_end);
    put(at + 112, source.block_first);
}

SourceMark source_at(const std::uint8_t* at) noexcept {
    return {.partition = get<std::uint32_t>(at + 60),
            .next_offset = get<std::uint64_t>(at + 72),
            .origin = log_id_at(at + 80),
            .round_first = get<std::uint64_t>(at + 96),
            .round_end = get<std::uint64_t>(at + 104),
            .block_first = get<std::uint64_t>(at + 112)};
}

std::optional<std::uint64_t> parse_name(std::string_view name, std::string_view prefix, std::string_view suffix) {
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
    if (name.size() < prefix.size() + suffix.size() + 12) return std::nullopt;
    return parse_u64(name.substr(prefix.size(), name.size() - prefix.size() - suffix.size()));
}

template <std::size_t N>
bool parse_hex(std::string_view text, std::array<std::uint8_t, N>& out) {
    if (text.size() != 2 * N) return false;
    for (std::size_t i = 0; i < N; ++i) {
        unsigned byte = 0;
        for (const char c : text.substr(2 * i, 2)) {
            const bool digit = c >= '0' && c <= '9';
            if (!digit && (c < 'a' || c > 'f')) return false;
            byte = byte * 16 + static_cast<unsigned>(digit ? c - '0' : c - 'a' + 10);
        }
        out[i] = static_cast<std::uint8_t>(byte);
    }
    return true;
}

std::uint32_t text_crc(std::string_view text) {
    return crc32c(bytes_of(text));
}

}  // namespace

void encode_header(const SegmentHeader& header, Block out) noexcept {
    std::ranges::fill(out, std::uint8_t{0});
    std::uint8_t* at = out.data();
    put_start(at, kSegmentMagic, header.log_id);
    put(at + 32, header.generation);
    put(at + 40, header.first_leaf);
    put(at + 48, header.file_bytes);
    put(at + 56, header.begun);
    put_tree(at, header.before);
    seal_block(out);
}

std::optional<SegmentHeader> decode_header(ConstBlock block) noexcept {
    const std::uint8_t* at = block.data();
    if (!block_is_whole(block, kSegmentMagic)) return std::nullopt;
    if (!all_zero(block.subspan(64, 32))) return std::nullopt;
    SegmentHeader header;
    header.log_id = log_id_at(at + 16);
    header.generation = get<std::uint64_t>(at + 32);
    header.first_leaf = get<std::uint64_t>(at + 40);
    header.file_bytes = get<std::uint64_t>(at + 48);
    header.begun = get<std::int64_t>(at + 56);
    auto before = tree_at(block, header.first_leaf);
    if (!before) return std::nullopt;
    header.before = *std::move(before);
    return header;
}

void encode_batch(const BatchHeader& header, std::span<std::uint8_t> batch) noexcept {
    std::uint8_t* at = batch.data();
    std::memset(at, 0, kBatchHeaderBytes);
    put_start(at, kBatchMagic, header.log_id);
    put(at + 12, header.records);
    put(at + 32, header.generation);
    put(at + 40, header.sequence);
    put(at + 48, header.first_leaf);
    put(at + 56, header.payload_bytes);
    put(at + 64, header.written);
    if (header.source) put_source(at, *header.source);
    put(at + kBatchCrcAt, batch_crc(batch.first(kBatchHeaderBytes + header.payload_bytes)));
}

std::optional<BatchHeader> decode_batch(std::span<const std::uint8_t, kBatchHeaderBytes> bytes) noexcept {
    const std::uint8_t* at = bytes.data();
    BatchHeader header;
    if (has_start(at, kBatchMagic, kSourceVersion)) {
        if (get<std::uint32_t>(at + 120) != 0) return std::nullopt;
        header.source = source_at(at);
    } else if (!has_start(at, kBatchMagic) || get<std::uint32_t>(at + 60) != 0 ||
               !all_zero(bytes.subspan(72, kBatchCrcAt - 72))) {
        return std::nullopt;
    }
    header.records = get<std::uint32_t>(at + 12);
    header.log_id = log_id_at(at + 16);
    header.generation = get<std::uint64_t>(at + 32);
    header.sequence = get<std::uint64_t>(at + 40);
    header.first_leaf = get<std::uint64_t>(at + 48);
    header.payload_bytes = get<std::uint32_t>(at + 56);
    header.written = get<std::int64_t>(at + 64);
    header.crc = get<std::uint32_t>(at + kBatchCrcAt);
    if (header.records == 0 || header.payload_bytes > kPayloadBytesMax) return std::nullopt;
    return header;
}

std::uint32_t batch_crc(Bytes header_and_payload) noexcept {
    return crc32c(header_and_payload.subspan(kBatchHeaderBytes), crc32c(header_and_payload.first(kBatchCrcAt)));
}

void encode_footer(const SegmentFooter& footer, Block out) noexcept {
    std::ranges::fill(out, std::uint8_t{0});
    std::uint8_t* at = out.data();
    put_start(at, kFooterMagic, footer.log_id);
    put(at + 32, footer.generation);
    put(at + 40, footer.first_leaf);
    put(at + 48, footer.records);
    put(at + 56, footer.batches);
    put(at + 64, footer.data_end);
    put(at + 72, footer.recorded_min);
    put(at + 80, footer.recorded_max);
    put_tree(at, footer.tree);
    seal_block(out);
}

std::optional<SegmentFooter> decode_footer(ConstBlock block) noexcept {
    const std::uint8_t* at = block.data();
    if (!block_is_whole(block, kFooterMagic)) return std::nullopt;
    if (!all_zero(block.subspan(88, 8))) return std::nullopt;
    SegmentFooter footer;
    footer.log_id = log_id_at(at + 16);
    footer.generation = get<std::uint64_t>(at + 32);
    footer.first_leaf = get<std::uint64_t>(at + 40);
    footer.records = get<std::uint64_t>(at + 48);
    footer.batches = get<std::uint64_t>(at + 56);
    footer.data_end = get<std::uint64_t>(at + 64);
    footer.recorded_min = get<std::int64_t>(at + 72);
    footer.recorded_max = get<std::int64_t>(at + 80);
    auto tree = tree_at(block, footer.end_leaf());
    if (!tree) return std::nullopt;
    footer.tree = *std::move(tree);
    return footer;
}

std::string encode_head(const Head& head) {
    std::string text = fmt::format("tidegate audit head 1\nlog {}\nsealed {} {}\nkept {} {}\nroot {}\n",
                                   to_hex(head.log_id.data(), head.log_id.size()), head.sealed_generation,
                                   head.sealed_leaves, head.kept_generation, head.kept_leaf, to_hex(head.root));
    text += fmt::format("crc32c {:08x}\n", text_crc(text));
    return text;
}

std::optional<Head> decode_head(std::string_view text) {
    const auto lines = split(text, '\n');
    if (lines.size() != 7 || lines[0] != "tidegate audit head 1") return std::nullopt;
    Head head;
    const auto words = [&](std::size_t line, std::string_view name, std::size_t count) {
        auto found = split(lines[line], ' ');
        if (found.size() != count + 1 || found[0] != name) found.clear();
        return found;
    };
    const auto log = words(1, "log", 1);
    const auto sealed = words(2, "sealed", 2);
    const auto kept = words(3, "kept", 2);
    const auto root = words(4, "root", 1);
    if (log.empty() || sealed.empty() || kept.empty() || root.empty()) return std::nullopt;
    if (!parse_hex(log[1], head.log_id) || !parse_hex(root[1], head.root)) return std::nullopt;
    const auto sealed_generation = parse_u64(sealed[1]);
    const auto sealed_leaves = parse_u64(sealed[2]);
    const auto kept_generation = parse_u64(kept[1]);
    const auto kept_leaf = parse_u64(kept[2]);
    if (!sealed_generation || !sealed_leaves || !kept_generation || !kept_leaf) return std::nullopt;
    head.sealed_generation = *sealed_generation;
    head.sealed_leaves = *sealed_leaves;
    head.kept_generation = *kept_generation;
    head.kept_leaf = *kept_leaf;
    // One form only: what we would write is what must stand there.
    if (encode_head(head) != text) return std::nullopt;
    return head;
}

std::string segment_name(std::uint64_t generation) {
    return fmt::format("{:012}.segment", generation);
}
std::string index_name(std::uint64_t generation) {
    return fmt::format("{:012}.index", generation);
}
std::string spare_name(std::uint64_t number) {
    return fmt::format("spare-{:012}.segment", number);
}
std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
    return parse_name(name, "", ".segment");
}
std::optional<std::uint64_t> parse_spare_name(std::string_view name) {
    return parse_name(name, "spare-", ".segment");
}
std::optional<std::uint64_t> parse_index_name(std::string_view name) {
    return parse_name(name, "", ".index");
}

}  // namespace tidegate::audit::segments
