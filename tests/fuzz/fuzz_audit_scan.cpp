// Fuzzes the verifier's scanner of batches, with the checksums made right so that what is behind them is reached too. Whatever the bytes,
// it ends, and the batches that it gives keep the rules of the format.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "audit/verify/checksum.h"
#include "audit/verify/segment_scan.h"
#include "base/assert.h"

namespace tidegate::audit::verify {
namespace {

void put(std::vector<std::uint8_t>& bytes, std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

// Wherever a block looks like a batch of a fitting length.
void mend_checksums(std::vector<std::uint8_t>& segment) {
    for (std::size_t at = kBlockSize; at + kBatchHeaderSize <= segment.size(); at += kBlockSize) {
        const Bytes bytes = Bytes(segment).subspan(at);
        const auto header = parse_batch_header(bytes);
        if (!header || bytes.size() < kBatchHeaderSize + header->payload) continue;
        put(segment, at + 124, checksum(bytes.subspan(kBatchHeaderSize, header->payload), checksum(bytes.first(124))));
    }
}

void scan(std::vector<std::uint8_t>& segment) {
    const MemorySource source(segment);
    const SegmentHeader header{.log_id = {}, .generation = 1, .first_leaf = 0, .file_size = segment.size()};
    SegmentScan scan(source, header);
    std::uint64_t offset = 0;
    std::uint64_t sequence = 0;
    while (true) {
        const auto batch = scan.next().value();
        if (!batch) {
            if (!scan.skip_damage().value()) return;
            continue;
        }
        TG_ASSERT(batch->offset > offset && batch->offset % kBlockSize == 0);
        TG_ASSERT(batch->header.sequence >= sequence && batch->header.generation == 1);
        TG_ASSERT(batch->offset + batch->header.span() <= segment.size() - kBlockSize);
        offset = batch->offset;
        sequence = batch->header.sequence + 1;
        std::uint32_t records = 0;
        TG_ASSERT(each_record(batch->payload, batch->header.records, [&](Bytes record) {
            RecordFacts facts;
            record_fault(record, facts);
            TG_ASSERT(leaf_bytes(record).front() == 0);
            ++records;
        }));
        TG_ASSERT(records == batch->header.records);
    }
}

}  // namespace
}  // namespace tidegate::audit::verify

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidegate::audit::verify;
    // Block headers are given 256 bytes a block, or the fuzzer would have to find its way through 4,096.
    constexpr std::size_t kGiven = 256;
    std::vector<std::uint8_t> segment(kBlockSize);
    for (std::size_t at = 0; at < size && segment.size() < 64 * kBlockSize; at += kGiven) {
        const std::size_t block = segment.size();
        segment.resize(block + kBlockSize);
        for (std::size_t i = 0; i < kGiven && at + i < size; ++i) segment[block + i] = data[at + i];
    }
    segment.resize(segment.size() + kBlockSize);
    mend_checksums(segment);
    scan(segment);
    RecordFacts facts;
    record_fault({data, size}, facts);
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    parse_head(text);
    return 0;
}
