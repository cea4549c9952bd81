#include "audit/verify/segment_scan.h"

#include <algorithm>

#include "audit/verify/checksum.h"

namespace tidegate::audit::verify {

SegmentScan::SegmentScan(const Source& source, const SegmentHeader& header)
    : window_(source),
      header_(header),
      end_(std::min(source.size(), header.file_size) / kBlockSize * kBlockSize - kBlockSize),
      leaf_(header.first_leaf) {}

Result<std::optional<Batch>> SegmentScan::nothing(const char* why) {
    fault_ = why;
    return std::optional<Batch>();
}

// Of what belongs to this segment; place and order are the caller's matter.
const char* SegmentScan::header_fault(const BatchHeader& header) const noexcept {
    if (header.log_id != header_.log_id) return "it is of another log";
    if (header.generation != header_.generation) return "it is of another generation";
    if (header.sequence != sequence_) return "it is out of order";
    if (header.first_leaf != leaf_) return "its leaf index does not follow";
    return nullptr;
}

Result<std::optional<Batch>> SegmentScan::next() {
    TG_TRY(const Bytes start, window_.view(offset_, kBatchHeaderSize));
    if (offset_ >= end_ || start.size() < kBatchHeaderSize) return nothing("the segment is full");
    const auto header = parse_batch_header(start);
    if (!header) return nothing("there is no batch header");
    if (const char* place = header_fault(*header)) return nothing(place);
    TG_TRY(const char* why, content_fault(*header, offset_));
    if (why != nullptr) return nothing(why);
    TG_TRY(const Bytes whole, window_.view(offset_, header->span()));
    const Bytes payload = whole.subspan(kBatchHeaderSize, header->payload);
    const Bytes padding = whole.subspan(kBatchHeaderSize + header->payload);
    Batch batch{*header, offset_, payload, std::ranges::all_of(padding, [](std::uint8_t byte) { return byte == 0; })};
    offset_ += header->span();
    leaf_ += header->records;
    ++sequence_;
    return std::optional(batch);
}

// One function for next() and skip_damage(): what the one moves to the other must take, or a scan would not end.
Result<const char*> SegmentScan::content_fault(const BatchHeader& header, std::uint64_t offset) {
    if (header.span() > end_ - offset) return "it is longer than its segment";
    TG_TRY(const Bytes whole, window_.view(offset, header.span()));
    if (whole.size() < header.span()) return "the file ends within it";
    const Bytes payload = whole.subspan(kBatchHeaderSize, header.payload);
    if (checksum(payload, checksum(whole.first(124))) != header.crc) return "its checksum is wrong";
    if (!each_record(payload, header.records, [](Bytes) {})) return "its records do not fill it";
    if (header.first_leaf + header.records < header.first_leaf) return "its leaf index is out of range";
    return nullptr;
}

Result<bool> SegmentScan::skip_damage() {
    // A segment of 64 MiB has 16,382 places where a batch may begin; most are left at the first byte.
    for (std::uint64_t offset = offset_; offset < end_; offset += kBlockSize) {
        TG_TRY(const Bytes start, window_.view(offset, kBatchHeaderSize));
        if (start.size() < kBatchHeaderSize) return false;
        const auto header = parse_batch_header(start);
        if (!header || header->log_id != header_.log_id || header->generation != header_.generation) continue;
        if (header->sequence < sequence_ || header->first_leaf < leaf_) continue;
        // The batch at offset_ itself, sound but for its place: it is there, what is before it is not.
        TG_TRY(const char* why, content_fault(*header, offset));
        if (why != nullptr) continue;
        offset_ = offset;
        sequence_ = header->sequence;
        leaf_ = header->first_leaf;
        return true;
    }
    return false;
}

}  // namespace tidegate::audit::verify
