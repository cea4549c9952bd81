// SegmentScan: the sound batches of one segment, and why there is no next one.
//
// Guarantee   next() gives a batch only when every rule of docs/audit-format.md ("A batch is sound when") holds. Whatever the bytes, it
//             ends: each step moves on by a block or more.
// Memory      One Window.
#pragma once

#include <cstdint>
#include <optional>

#include "audit/verify/layout.h"
#include "audit/verify/source.h"

namespace tidegate::audit::verify {

struct Batch {
    BatchHeader header;
    std::uint64_t offset = 0;
    Bytes payload;              // Valid until the scan moves on.
    bool clean_padding = true;  // The document has it written as zero and not read.
};

class SegmentScan {
  public:
    SegmentScan(const Source& source, const SegmentHeader& header);

    /// Nothing: there is no sound batch at offset(); fault() says why.
    Result<std::optional<Batch>> next();
    /// Moves to the next sound batch of this segment with a higher sequence. False: there is none.
    Result<bool> skip_damage();

    /// The next look reads the file anew.
    void forget() noexcept { window_.forget(); }

    const char* fault() const noexcept { return fault_; }
    std::uint64_t offset() const noexcept { return offset_; }
    /// The leaf index and the sequence that the next batch must have.
    std::uint64_t leaf() const noexcept { return leaf_; }
    std::uint64_t sequence() const noexcept { return sequence_; }

  private:
    const char* header_fault(const BatchHeader& header) const noexcept;
    Result<std::optional<Batch>> nothing(const char* why);
    Result<const char*> content_fault(const BatchHeader& header, std::uint64_t offset);

    Window window_;
    const SegmentHeader header_;
    const std::uint64_t end_;  // Where the footer begins.
    std::uint64_t offset_ = kBlockSize;
    std::uint64_t sequence_ = 0;
    std::uint64_t leaf_;
    const char* fault_ = "";
};

/// The records of a payload; false: their lengths do not add up to it or their number is another. `take(Bytes record)`.
template <class Take>
bool each_record(Bytes payload, std::uint32_t records, Take&& take) {
    for (; records != 0; --records) {
        if (payload.size() < 4) return false;
        const std::uint32_t size = payload[0] | std::uint32_t{payload[1]} << 8U | std::uint32_t{payload[2]} << 16U |
                                   std::uint32_t{payload[3]} << 24U;
        if (size > kRecordMax || payload.size() - 4 < size) return false;
        take(payload.subspan(4, size));
        payload = payload.subspan(4 + std::size_t{size});
    }
    return payload.empty();
}

/// The bytes that a leaf is the hash of: the 0x00 of RFC 6962 and the record. A record is under 2^24 bytes, so the last byte of the
/// length in front of it is that 0x00 already.
inline Bytes leaf_bytes(Bytes record_of_payload) noexcept {
    return {record_of_payload.data() - 1, record_of_payload.size() + 1};
}

}  // namespace tidegate::audit::verify
