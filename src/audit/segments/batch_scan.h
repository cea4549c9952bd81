// BatchScan: walks over the batches of one segment and stops at the first that is not sound.
//
// Guarantee   A batch that next() gives has passed every rule of docs/audit-format.md ("A batch is sound when"): nothing of a
//             recycled segment's former life, of another log, of a torn write or of a leaf the next segment owns.
// Memory      One buffer of 1 MiB, or of the largest batch.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "audit/segments/format.h"
#include "audit/segments/log_file.h"

namespace tidegate::audit::segments {

/// Valid until the scan moves on.
struct BatchView {
    BatchHeader header;
    std::uint64_t offset = 0;  // Of the batch in the file.
    Bytes payload;
};

/// Cuts a payload into its records.
class RecordCursor {
  public:
    explicit RecordCursor(Bytes payload) : left_(payload), total_(payload.size()) {}
    /// Where in the payload the length prefix of the next record lies.
    std::uint32_t position() const noexcept { return static_cast<std::uint32_t>(total_ - left_.size()); }
    /// False at the end, or where the rest is no record; at_end() tells.
    bool next(Bytes& record) noexcept;
    bool at_end() const noexcept { return left_.empty(); }

  private:
    Bytes left_;
    std::size_t total_;
};

class BatchScan {
  public:
    /// `end_leaf`: the first leaf that is not this segment's. The file outlives the scan.
    BatchScan(const LogFile& file, const SegmentHeader& header, std::uint64_t end_leaf);

    /// Nothing at the end of the sound ones. An error: the disk cannot be read.
    Result<std::optional<BatchView>> next();
    /// Moves over whole batches, by their headers alone, until the next one holds `leaf` or is not sound.
    Result<void> skip_to(std::uint64_t leaf);
    /// After the end: does a sound batch of this segment with a higher sequence come later? Then the end is damage.
    Result<bool> has_later_batch();

    /// The next look reads the file anew: somebody else may have written to it. Ends the life of the last view.
    void forget() noexcept { buffer_size_ = 0; }

    std::uint64_t offset() const noexcept { return offset_; }
    std::uint64_t leaf() const noexcept { return leaf_; }
    std::uint64_t sequence() const noexcept { return sequence_; }

  private:
    Result<Bytes> window(std::uint64_t offset, std::size_t size);
    bool follows(const BatchHeader& header, std::uint64_t offset) const noexcept;
    bool is_whole(const BatchHeader& header, Bytes batch) const noexcept;
    void step(const BatchHeader& header) noexcept;

    const LogFile& file_;
    const SegmentHeader header_;
    const std::uint64_t end_leaf_;
    std::uint64_t offset_ = kBlockBytes;
    std::uint64_t leaf_;
    std::uint64_t sequence_ = 0;
    std::vector<std::uint8_t> buffer_;
    std::uint64_t buffer_at_ = 0;
    std::size_t buffer_size_ = 0;
};

}  // namespace tidegate::audit::segments
