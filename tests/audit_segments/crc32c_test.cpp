#include "audit/segments/crc32c.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace tidegate::audit::segments {
namespace {

TEST(Crc32c, IsThatOfRfc3720) {
    EXPECT_EQ(crc32c(bytes_of("123456789")), 0xE3069283U);
    // RFC 3720 B.4: 32 zeroes, 32 ones, 0 to 31.
    std::vector<std::uint8_t> bytes(32, 0);
    EXPECT_EQ(crc32c(bytes), 0x8A9136AAU);
    bytes.assign(32, 0xFF);
    EXPECT_EQ(crc32c(bytes), 0x62A8AB43U);
    for (std::size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::uint8_t>(i);
    EXPECT_EQ(crc32c(bytes), 0x46DD794EU);
    EXPECT_EQ(crc32c({}), 0U);
}

TEST(Crc32c, TheInstructionAndTheTablesAgreeAtEveryLengthAndSplit) {
    SeededRandom random(7);
    std::vector<std::uint8_t> bytes(300);
    random.fill(std::as_writable_bytes(std::span(bytes)));
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
        const Bytes part = Bytes(bytes).first(size);
        ASSERT_EQ(crc32c(part), crc32c_portable(part)) << size;
        const std::size_t split = size / 3;
        ASSERT_EQ(crc32c(part.subspan(split), crc32c(part.first(split))), crc32c(part)) << size;
        ASSERT_EQ(crc32c_portable(part.subspan(split), crc32c_portable(part.first(split))), crc32c(part)) << size;
    }
}

}  // namespace
}  // namespace tidegate::audit::segments
