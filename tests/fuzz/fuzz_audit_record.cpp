// Any bytes as a record and as a segment: nothing is read out of bounds, and what is taken has one form only.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "audit/segments/batch_scan.h"
#include "audit/segments/record.h"
#include "base/assert.h"

using namespace tidegate::audit::segments;

namespace {

class MemoryFile final : public LogFile {
  public:
    explicit MemoryFile(std::vector<std::uint8_t> bytes) : bytes_(std::move(bytes)) {}
    tidegate::Result<void> write(std::uint64_t, Bytes) override { return {}; }
    tidegate::Result<void> sync() override { return {}; }
    tidegate::Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) const override {
        if (offset >= bytes_.size()) return 0;
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), bytes_.size() - offset));
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), size, out.begin());
        return size;
    }
    tidegate::Result<std::uint64_t> size() const override { return bytes_.size(); }

  private:
    const std::vector<std::uint8_t> bytes_;
};

void check_record(Bytes bytes) {
    const auto view = decode(bytes);
    if (!view) return;
    const auto decision = to_decision(*view);
    TG_ASSERT(check(decision));
    TG_ASSERT(encoded_size(decision) == bytes.size());
    std::vector<std::uint8_t> again(bytes.size());
    encode(decision, view->recorded, again);
    TG_ASSERT(std::ranges::equal(again, bytes));
}

void walk(const std::vector<std::uint8_t>& segment) {
    const SegmentHeader header{.generation = 1, .file_bytes = segment.size()};
    const MemoryFile file(segment);
    BatchScan scan(file, header, ~std::uint64_t{0});
    for (;;) {
        const auto batch = scan.next();
        TG_ASSERT(batch.has_value());
        if (!*batch) break;
        RecordCursor cursor((*batch)->payload);
        Bytes record;
        std::uint32_t records = 0;
        while (cursor.next(record)) {
            ++records;
            check_record(record);
        }
        TG_ASSERT(records == (*batch)->header.records && cursor.at_end());
    }
    TG_ASSERT(scan.has_later_batch().has_value());
    BatchScan skipping(file, header, ~std::uint64_t{0});
    TG_ASSERT(skipping.skip_to(3).has_value());
    (void)skipping.next();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes bytes(data, size);
    check_record(bytes);
    if (bytes.size() >= kBlockBytes) {
        (void)decode_header(bytes.first<kBlockBytes>());
        (void)decode_footer(bytes.first<kBlockBytes>());
    }
    if (const auto head = decode_head(text_of(bytes))) TG_ASSERT(encode_head(*head) == text_of(bytes));
    // As a segment's batches; and once with the header that makes the checksum right.
    std::vector<std::uint8_t> segment(kBlockBytes);
    segment.insert(segment.end(), bytes.begin(), bytes.end());
    segment.resize((segment.size() / kBlockBytes + 3) * kBlockBytes);
    walk(segment);
    std::vector<std::uint8_t> batch(kBatchHeaderBytes);
    batch.insert(batch.end(), bytes.begin(), bytes.end());
    BatchHeader header{.generation = 1, .records = 1, .payload_bytes = static_cast<std::uint32_t>(bytes.size())};
    if (size > 0) header.records = 1U + data[0] % 4U;
    encode_batch(header, batch);
    segment.resize(std::max(segment.size(), 3 * kBlockBytes + (batch.size() / kBlockBytes) * kBlockBytes));
    std::ranges::copy(batch, segment.begin() + kBlockBytes);
    walk(segment);
    return 0;
}
