#include "bus/packed_block.h"

#include <fmt/format.h>
#include <zstd.h>

#include <array>
#include <memory>

#include "audit/segments/batch_scan.h"
#include "audit/segments/crc32c.h"
#include "audit/segments/merkle.h"
#include "base/assert.h"

namespace tidegate::bus {
namespace {

using audit::segments::crc32c;
using audit::segments::get;
using audit::segments::put;

constexpr std::array<std::uint8_t, 8> kMagic{0xF5, 'T', 'G', 'B', 'L', 'O', 'C', 'K'};
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kCrcAt = kBlockHeaderBytes - 4;
// Level 1: 3 takes twice the time for 4 % less on records of 300 bytes.
constexpr int kZstdLevel = 1;

std::unexpected<Error> wrong(std::string what) {
    return fail(ErrorCode::kInvalidArgument, "block: " + std::move(what));
}

struct FreeCompressor {
    void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
    void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
};

// The length prefix's last byte is the zero that a leaf hash begins with: a record is below 16 MiB.
Sha256 leaf_at(Bytes payload, std::size_t prefix, std::size_t record_bytes) {
    return audit::segments::leaf_hash_prefixed(payload.subspan(prefix + 3, 1 + record_bytes));
}

std::uint32_t message_crc(Bytes message) {
    return crc32c(message.subspan(kBlockHeaderBytes), crc32c(message.first(kCrcAt)));
}

std::size_t compress(Bytes payload, std::span<char> out) {
    thread_local const std::unique_ptr<ZSTD_CCtx, FreeCompressor> context(ZSTD_createCCtx());
    TG_ASSERT(context != nullptr);
    const std::size_t size =
        ZSTD_compressCCtx(context.get(), out.data(), out.size(), payload.data(), payload.size(), kZstdLevel);
    return ZSTD_isError(size) != 0 ? payload.size() : size;
}

Result<void> decompress(Bytes stored, std::span<std::uint8_t> out) {
    thread_local const std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context(ZSTD_createDCtx());
    TG_ASSERT(context != nullptr);
    const std::size_t size = ZSTD_decompressDCtx(context.get(), out.data(), out.size(), stored.data(), stored.size());
    if (ZSTD_isError(size) != 0) return wrong(std::string("it does not decompress: ") + ZSTD_getErrorName(size));
    if (size != out.size()) return wrong(fmt::format("{} bytes came out, the header says {}", size, out.size()));
    return {};
}

Result<void> read_records(Block& block) {
    block.offsets.clear();
    block.views.clear();
    audit::segments::RecordCursor cursor(block.payload);
    Bytes record;
    for (;;) {
        const std::uint32_t at = cursor.position();
        if (!cursor.next(record)) break;
        auto view = audit::segments::decode(record);
        if (!view) return wrong(fmt::format("record {}: {}", block.views.size(), view.error().message));
        if (block.views.size() == block.header.records) return wrong("it holds more records than its header says");
        if (leaf_at(block.payload, at, record.size()) != block.leaves[block.views.size()]) {
            return wrong(fmt::format("record {} has another leaf hash", block.views.size()));
        }
        block.offsets.push_back(at);
        block.views.push_back(*view);
    }
    if (!cursor.at_end()) return wrong("a record reaches over its end");
    if (block.views.size() != block.header.records) return wrong("it holds fewer records than its header says");
    return {};
}

}  // namespace

void BlockBuilder::add(Bytes record, UnixMillis recorded, const Sha256& leaf) {
    const std::size_t at = payload_.size();
    payload_.resize(at + 4 + record.size());
    put(payload_.data() + at, static_cast<std::uint32_t>(record.size()));
    std::memcpy(payload_.data() + at + 4, record.data(), record.size());
    oldest_ = leaves_.empty() ? recorded : std::min(oldest_, recorded);
    leaves_.push_back(leaf);
}

void BlockBuilder::add(Bytes record) {
    // `recorded` lies at 8 of each record.
    TG_ASSERT(record.size() >= 16);
    add(record, get<std::int64_t>(record.data() + 8), audit::segments::leaf_hash(record));
}

std::string BlockBuilder::take(const BlockLabel& label) {
    TG_ASSERT(!empty() && payload_.size() <= kBlockBytesMax);
    const std::size_t hashes = leaves_.size() * sizeof(Sha256);
    const std::size_t before = kBlockHeaderBytes + hashes;
    std::string message;
    message.resize(before + std::max(ZSTD_compressBound(payload_.size()), payload_.size()));
    std::size_t stored = payload_.size();
    if (compression_ == Compression::kZstd) stored = compress(payload_, std::span(message).subspan(before));
    // What does not get smaller goes as it is.
    const bool packed = compression_ == Compression::kZstd && stored < payload_.size();
    if (!packed) {
        stored = payload_.size();
        std::memcpy(message.data() + before, payload_.data(), stored);
    }
    message.resize(before + stored);
    auto* at = reinterpret_cast<std::uint8_t*>(message.data());
    std::memset(at, 0, kBlockHeaderBytes);
    std::memcpy(at, kMagic.data(), kMagic.size());
    put(at + 8, kVersion);
    at[10] = static_cast<std::uint8_t>(packed ? Compression::kZstd : Compression::kNone);
    put(at + 12, records());
    std::memcpy(at + 16, label.origin.data(), label.origin.size());
    put(at + 32, label.round_first);
    put(at + 40, label.round_end);
    put(at + 48, label.first);
    put(at + 56, oldest_);
    put(at + 64, static_cast<std::uint32_t>(payload_.size()));
    put(at + 68, static_cast<std::uint32_t>(stored));
    std::memcpy(at + kBlockHeaderBytes, leaves_.data(), hashes);
    put(at + kCrcAt, message_crc(Bytes(at, message.size())));
    payload_.clear();
    leaves_.clear();
    return message;
}

Result<BlockHeader> read_block_header(Bytes message) {
    if (message.size() < kBlockHeaderBytes) return wrong("it is shorter than a header");
    const std::uint8_t* at = message.data();
    if (std::memcmp(at, kMagic.data(), kMagic.size()) != 0) return wrong("it does not begin as one");
    if (get<std::uint16_t>(at + 8) != kVersion) {
        return wrong(fmt::format("version {}, this program reads version {}", get<std::uint16_t>(at + 8), kVersion));
    }
    if (at[10] > 1 || at[11] != 0 || get<std::uint32_t>(at + 72) != 0) return wrong("an unknown compression or flag");
    BlockHeader header;
    header.records = get<std::uint32_t>(at + 12);
    std::memcpy(header.label.origin.data(), at + 16, header.label.origin.size());
    header.label.round_first = get<std::uint64_t>(at + 32);
    header.label.round_end = get<std::uint64_t>(at + 40);
    header.label.first = get<std::uint64_t>(at + 48);
    header.oldest = get<std::int64_t>(at + 56);
    header.raw_bytes = get<std::uint32_t>(at + 64);
    header.stored_bytes = get<std::uint32_t>(at + 68);
    const BlockLabel& label = header.label;
    if (label.round_first > label.first || label.first >= label.round_end)
        return wrong("its place in its round is none");
    if (header.records == 0 || header.records > label.round_end - label.first)
        return wrong("more records than its round");
    if (header.raw_bytes > kBlockBytesMax) return wrong("more bytes of records than a block may have");
    // Compared as 64 bits: nothing here can wrap.
    const std::uint64_t whole =
        kBlockHeaderBytes + std::uint64_t{header.records} * sizeof(Sha256) + header.stored_bytes;
    if (whole != message.size()) return wrong(fmt::format("{} bytes, its header says {}", message.size(), whole));
    if (at[10] == 0 && header.stored_bytes != header.raw_bytes) return wrong("stored and raw size differ");
    return header;
}

Result<void> read_block(Bytes message, Block& block) {
    TG_TRY(block.header, read_block_header(message));
    if (get<std::uint32_t>(message.data() + kCrcAt) != message_crc(message)) return wrong("its checksum does not hold");
    const std::size_t hashes = block.header.records * sizeof(Sha256);
    block.leaves.resize(block.header.records);
    std::memcpy(block.leaves.data(), message.data() + kBlockHeaderBytes, hashes);
    const Bytes stored = message.subspan(kBlockHeaderBytes + hashes);
    block.payload.resize(block.header.raw_bytes);
    if (message[10] == static_cast<std::uint8_t>(Compression::kZstd)) {
        TG_CHECK(decompress(stored, block.payload));
    } else {
        std::ranges::copy(stored, block.payload.begin());
    }
    return read_records(block);
}

}  // namespace tidegate::bus
