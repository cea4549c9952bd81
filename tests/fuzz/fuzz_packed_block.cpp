// Any bytes as a message of the bus: nothing is read out of bounds, no length is believed, and what is taken is whole.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "audit/segments/crc32c.h"
#include "audit/segments/merkle.h"
#include "base/assert.h"
#include "bus/packed_block.h"

using namespace tidegate::bus;

namespace {

void take(Bytes message) {
    Block block;
    if (!read_block(message, block)) return;
    TG_ASSERT(block.views.size() == block.header.records && block.leaves.size() == block.header.records);
    TG_ASSERT(block.payload.size() == block.header.raw_bytes && block.payload.size() <= kBlockBytesMax);
    // Packed again it is a block with the same records.
    BlockBuilder builder;
    for (std::size_t i = 0; i < block.offsets.size(); ++i) {
        const std::size_t end = i + 1 < block.offsets.size() ? block.offsets[i + 1] : block.payload.size();
        builder.add(Bytes(block.payload).subspan(block.offsets[i] + 4, end - block.offsets[i] - 4));
    }
    const std::string again = builder.take(block.header.label);
    Block second;
    TG_ASSERT(read_block(Bytes(reinterpret_cast<const std::uint8_t*>(again.data()), again.size()), second));
    TG_ASSERT(second.payload == block.payload && second.leaves == block.leaves);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    take({data, size});
    if (size < kBlockHeaderBytes) return 0;
    // Once more with the magic and the checksum made right, so that what lies behind them is reached.
    std::vector<std::uint8_t> message(data, data + size);
    constexpr std::uint8_t kStart[10] = {0xF5, 'T', 'G', 'B', 'L', 'O', 'C', 'K', 1, 0};
    std::ranges::copy(kStart, message.begin());
    const Bytes bytes(message);
    const std::uint32_t crc = tidegate::audit::segments::crc32c(
        bytes.subspan(kBlockHeaderBytes), tidegate::audit::segments::crc32c(bytes.first(kBlockHeaderBytes - 4)));
    tidegate::audit::segments::put(message.data() + kBlockHeaderBytes - 4, crc);
    take(message);
    return 0;
}
