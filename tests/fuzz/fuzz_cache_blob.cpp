// Any bytes as a blob of the second level: they are refused, or make an entry that packs to the same answer again.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "pipeline/cache/l2_blob.h"

using tidegate::cache::Entry;
using tidegate::cache::EntryPtr;
using tidegate::cache::Key;

namespace {

// The checksum keeps nearly all changed bytes away from what is behind it, so the fuzzer's bytes get a right one too.
std::string with_checksum(std::string_view payload) {
    std::string blob = "TGC1";
    blob += '\0';
    const auto put = [&](std::uint64_t number, unsigned bytes) {
        for (unsigned i = 0; i < bytes; ++i) blob += static_cast<char>((number >> (8 * i)) & 0xffU);
    };
    put(payload.size(), 4);
    put(tidegate::cache::siphash128(0x54474331'0000'0000ULL, 0x6c32'626c'6f62'0001ULL, payload).low, 8);
    blob.append(payload);
    return blob;
}

void check(std::string_view blob) {
    const auto found = tidegate::cache::unpack_entry(blob, 1 << 20U);
    if (!found) return;
    const Key key{std::string(found->key_text)};
    const EntryPtr entry = Entry::make(key, found->draft);
    TG_ASSERT(entry->key_text() == found->key_text);
    const auto again = tidegate::cache::unpack_entry(tidegate::cache::pack_entry(*entry, found->sequence), 1 << 21U);
    TG_ASSERT(again.has_value());
    TG_ASSERT(*again->draft.body == *found->draft.body && again->draft.head == found->draft.head);
    TG_ASSERT(again->tags == found->tags &&
              again->draft.selecting == (found->draft.vary.empty() ? "" : found->draft.selecting));
    (void)entry->headers();
    (void)entry->age_s(0);
    (void)entry->usable_until();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    check(bytes);
    check(with_checksum(bytes));
    return 0;
}
