// Blocks: what goes in comes out, and nothing else is taken.
#include "bus/packed_block.h"

#include "audit/segments/crc32c.h"
#include "base/hash.h"
#include "bus/bus_fixture.h"

namespace tidegate::bus {
namespace {

using audit::segments::put;

void seal(std::string& message) {
    auto* at = reinterpret_cast<std::uint8_t*>(message.data());
    const Bytes bytes(at, message.size());
    const std::uint32_t crc = audit::segments::crc32c(bytes.subspan(kBlockHeaderBytes),
                                                      audit::segments::crc32c(bytes.first(kBlockHeaderBytes - 4)));
    put(at + kBlockHeaderBytes - 4, crc);
}

std::string refusal(const std::string& message) {
    Block block;
    const auto read = read_block(bytes_of(message), block);
    if (read) return {};
    EXPECT_EQ(read.error().code, ErrorCode::kInvalidArgument);
    return read.error().message;
}

TEST(PackedBlock, RecordsComeOutAsTheyWentIn) {
    for (const Compression compression : {Compression::kNone, Compression::kZstd}) {
        const std::string message = block_of({7, 9, 12}, 5, 20, origin_id(4), compression);
        Block block;
        ASSERT_TRUE(read_block(bytes_of(message), block));
        EXPECT_EQ(block.header.label, (BlockLabel{origin_id(4), 5, 20, 7}));
        EXPECT_EQ(block.header.records, 3U);
        EXPECT_EQ(block.header.oldest, 1'772'366'400'000 + 5 + 7);
        ASSERT_EQ(block.views.size(), 3U);
        EXPECT_EQ(block.views[1].request_id, "request-9");
        const auto record = record_bytes(12);
        EXPECT_EQ(block.leaves[2], audit::segments::leaf_hash(record));
        EXPECT_TRUE(std::ranges::equal(Bytes(block.payload).subspan(block.offsets[2] + 4), record));
    }
}

TEST(PackedBlock, ABuilderIsUsedAgain) {
    BlockBuilder builder;
    builder.add(record_bytes(1));
    const std::string first = builder.take({origin_id(1), 1, 2, 1});
    EXPECT_TRUE(builder.empty());
    builder.add(record_bytes(1));
    EXPECT_EQ(builder.take({origin_id(1), 1, 2, 1}), first);
}

TEST(PackedBlock, UncompressedBytesAreTheGoldenOnes) {
    const std::string message = block_of({1}, 1, 2, origin_id(0xAB), Compression::kNone);
    ASSERT_EQ(message.size(), kBlockHeaderBytes + 32 + 4 + record_bytes(1).size());
    // Magic, version 1, no compression, one record, origin, round [1, 2), first 1; then `recorded` of the record.
    EXPECT_EQ(to_hex(bytes_of(message).data(), 64),
              "f55447424c4f434b0100000001000000000000000000000000000000000000ab"
              "010000000000000002000000000000000100000000000000060a45a99c010000");
    EXPECT_EQ(to_hex(sha256(message)), "6d610b0c23cfb793812e22c25ad165d31e2bfa732f39f3f0cf2bf436456a36b0");
}

TEST(PackedBlock, NoFlippedBitPasses) {
    for (const Compression compression : {Compression::kNone, Compression::kZstd}) {
        const std::string message = block_of({1, 2}, 1, 3, origin_id(1), compression);
        for (std::size_t bit = 0; bit < message.size() * 8; ++bit) {
            std::string damaged = message;
            damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
            EXPECT_NE(refusal(damaged), "") << "bit " << bit;
        }
    }
}

TEST(PackedBlock, NoShorterOrLongerMessagePasses) {
    const std::string message = block_of({1, 2}, 1, 3);
    for (std::size_t size = 0; size < message.size(); ++size) EXPECT_NE(refusal(message.substr(0, size)), "");
    EXPECT_NE(refusal(message + '\0'), "");
}

// With the checksum made right, so that the checks behind it are what refuses.
TEST(PackedBlock, ClaimsOfItsHeaderAreNotBelieved) {
    const auto with = [](std::size_t at, auto value) {
        std::string message = block_of({1, 2}, 1, 3);
        put(reinterpret_cast<std::uint8_t*>(message.data()) + at, value);
        seal(message);
        return refusal(message);
    };
    EXPECT_EQ(with(8, std::uint16_t{1}), "");
    EXPECT_NE(with(8, std::uint16_t{2}), "");
    EXPECT_NE(with(10, std::uint8_t{2}), "");
    EXPECT_NE(with(12, std::uint32_t{0}), "");
    EXPECT_NE(with(12, std::uint32_t{1}), "");
    EXPECT_NE(with(12, std::uint32_t{0xffffffff}), "");
    EXPECT_NE(with(32, std::uint64_t{2}), "");
    EXPECT_NE(with(40, std::uint64_t{1}), "");
    EXPECT_NE(with(64, std::uint32_t{0xffffffff}), "");
    EXPECT_NE(with(64, std::uint32_t{1}), "");
    EXPECT_NE(with(64, static_cast<std::uint32_t>(kBlockBytesMax)), "");
    EXPECT_NE(with(68, std::uint32_t{0xfffffff0}), "");
    EXPECT_NE(with(72, std::uint32_t{1}), "");
    EXPECT_NE(with(kBlockHeaderBytes, std::uint8_t{1}), "");  // A leaf hash.
}

TEST(PackedBlock, TheLargestRecordHasRoom) {
    audit::Decision decision;
    const ManualClock clock;
    SeededRandom random(1);
    decision.id = make_uuid7(clock, random);
    decision.request_id = "r";
    decision.service = decision.operation = "s";
    decision.output.assign(4U * 1024 * 1024, ' ');
    std::vector<std::uint8_t> bytes(audit::segments::encoded_size(decision));
    audit::segments::encode(decision, 1, bytes);
    BlockBuilder builder(Compression::kNone);
    EXPECT_TRUE(builder.has_room(bytes.size(), 1024));
    builder.add(bytes);
    EXPECT_FALSE(builder.has_room(1, 1024));
    Block block;
    EXPECT_TRUE(read_block(bytes_of(builder.take({origin_id(1), 0, 1, 0})), block));
    EXPECT_EQ(block.views.at(0).output.size(), 4U * 1024 * 1024);
}

}  // namespace
}  // namespace tidegate::bus
