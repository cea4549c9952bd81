// Fuzzes what reads checkpoints, receipts and paths of tiles. Whatever the bytes: what is taken is written back the same, and nothing is
// believed that no key has signed.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "audit/proof/receipt.h"
#include "audit/proof/tiles.h"
#include "audit/verify/signed_text.h"
#include "base/assert.h"

namespace tidegate::audit::proof {
namespace {

const std::vector<VerifierKey>& keys() {
    static const std::vector<VerifierKey> all{VerifierKey("log.example/audit", PublicKey{1, 2, 3})};
    return all;
}

void read_note(std::string_view bytes) {
    const auto note = parse_note(bytes);
    if (note) {
        TG_ASSERT(format_note(*note) == bytes);
        TG_ASSERT(!check_note(*note, keys()));
    }
    const auto checkpoint = parse_checkpoint(bytes);
    if (checkpoint) TG_ASSERT(to_text(*checkpoint) == bytes);
    // The verifier's reader is another; it believes no more.
    static const auto verifier_keys = verify::parse_keys(keys().front().to_text()).value();
    TG_ASSERT(verify::read_statement(bytes, verifier_keys).trust != verify::Trust::kSigned);
}

void read_receipt(std::string_view bytes) {
    const auto receipt = parse_receipt(bytes);
    if (!receipt) return;
    TG_ASSERT(to_text(*receipt) == bytes);
    TG_ASSERT(!check_receipt(*receipt, keys()));
}

}  // namespace
}  // namespace tidegate::audit::proof

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidegate::audit::proof;
    if (size < 1) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 4) {
        case 0:
            read_note(bytes);
            break;
        case 1:
            read_receipt(bytes);
            break;
        case 2: {
            const auto path = parse_tile_path(bytes);
            TG_ASSERT(!path || path_of(*path) == bytes);
            break;
        }
        default: {
            const auto key = VerifierKey::parse(bytes);
            TG_ASSERT(!key || key->to_text() == bytes);
            (void)tidegate::audit::verify::parse_keys(bytes);
            for (const std::string_view note : split_checkpoints(bytes)) TG_ASSERT(note.ends_with('\n'));
            break;
        }
    }
    return 0;
}
