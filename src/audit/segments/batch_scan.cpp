#include "audit/segments/batch_scan.h"

#include "audit/segments/record.h"

namespace tidegate::audit::segments {
namespace {

constexpr std::size_t kWindowBytes = 1024 * 1024;

}  // namespace

bool RecordCursor::next(Bytes& record) noexcept {
    if (left_.size() < 4) return false;
    const std::size_t size = get<std::uint32_t>(left_.data());
    if (size > kRecordBytesMax || left_.size() - 4 < size) return false;
    record = left_.subspan(4, size);
    left_ = left_.subspan(4 + size);
    return true;
}

BatchScan::BatchScan(const LogFile& file, const SegmentHeader& header, std::uint64_t end_leaf)
    : file_(file), header_(header), end_leaf_(end_leaf), leaf_(header.first_leaf) {}

Result<Bytes> BatchScan::window(std::uint64_t offset, std::size_t size) {
    if (offset < buffer_at_ || offset + size > buffer_at_ + buffer_size_) {
        buffer_.resize(std::max({size, kWindowBytes, buffer_.size()}));
        buffer_at_ = offset;
        buffer_size_ = 0;
        TG_TRY(buffer_size_, file_.read(offset, buffer_));
    }
    if (offset + size > buffer_at_ + buffer_size_) return Bytes{};
    return Bytes(buffer_).subspan(static_cast<std::size_t>(offset - buffer_at_), size);
}

// Everything but the checksum and the records.
bool BatchScan::follows(const BatchHeader& header, std::uint64_t offset) const noexcept {
    return header.log_id == header_.log_id && header.generation == header_.generation &&
           header.padded_bytes() <= header_.file_bytes - kBlockBytes - offset;
}

bool BatchScan::is_whole(const BatchHeader& header, Bytes batch) const noexcept {
    if (batch_crc(batch) != header.crc) return false;
    RecordCursor cursor(batch.subspan(kBatchHeaderBytes));
    Bytes record;
    std::uint32_t records = 0;
    while (cursor.next(record)) ++records;
    return cursor.at_end() && records == header.records;
}

void BatchScan::step(const BatchHeader& header) noexcept {
    offset_ += header.padded_bytes();
    leaf_ += header.records;
    ++sequence_;
}

Result<std::optional<BatchView>> BatchScan::next() {
    const std::optional<BatchView> none;
    if (leaf_ >= end_leaf_ || offset_ + 2 * kBlockBytes > header_.file_bytes) return none;
    TG_TRY(const Bytes start, window(offset_, kBatchHeaderBytes));
    if (start.empty()) return none;
    const auto header = decode_batch(start.first<kBatchHeaderBytes>());
    if (!header || !follows(*header, offset_)) return none;
    if (header->sequence != sequence_ || header->first_leaf != leaf_) return none;
    if (header->records > end_leaf_ - leaf_) return none;
    TG_TRY(const Bytes batch, window(offset_, kBatchHeaderBytes + header->payload_bytes));
    if (batch.empty() || !is_whole(*header, batch)) return none;
    BatchView view{.header = *header, .offset = offset_, .payload = batch.subspan(kBatchHeaderBytes)};
    step(*header);
    return view;
}

Result<void> BatchScan::skip_to(std::uint64_t leaf) {
    while (leaf_ < leaf && offset_ + 2 * kBlockBytes <= header_.file_bytes) {
        // The header's own block: a window of 1 MiB for each header would read the whole segment.
        std::uint8_t block[kBatchHeaderBytes];
        TG_TRY(const std::size_t got, file_.read(offset_, block));
        if (got < sizeof block) return {};
        const auto header = decode_batch(block);
        if (!header || !follows(*header, offset_) || header->sequence != sequence_ || header->first_leaf != leaf_) {
            return {};
        }
        if (leaf < leaf_ + header->records) return {};
        step(*header);
    }
    return {};
}

Result<bool> BatchScan::has_later_batch() {
    for (std::uint64_t at = offset_ + kBlockBytes; at + 2 * kBlockBytes <= header_.file_bytes; at += kBlockBytes) {
        TG_TRY(const Bytes start, window(at, kBatchHeaderBytes));
        if (start.empty()) return false;
        const auto header = decode_batch(start.first<kBatchHeaderBytes>());
        if (!header || !follows(*header, at) || header->sequence <= sequence_) continue;
        TG_TRY(const Bytes batch, window(at, kBatchHeaderBytes + header->payload_bytes));
        if (!batch.empty() && is_whole(*header, batch)) return true;
    }
    return false;
}

}  // namespace tidegate::audit::segments
