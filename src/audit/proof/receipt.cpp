#include "audit/proof/receipt.h"

#include <fmt/core.h>

#include <cstring>

#include "audit/proof/base64.h"
#include "base/strings.h"

namespace tidegate::audit::proof {
namespace {

constexpr std::string_view kFirstLine = "c2sp.org/tlog-proof@v1";
constexpr std::string_view kExtra = "extra ";
constexpr std::string_view kIndex = "index ";

std::unexpected<Error> malformed_receipt(const char* why) {
    return fail(ErrorCode::kInvalidArgument, std::string("not a receipt: ") + why);
}

/// Takes the next line off; nullopt: there is no whole one.
std::optional<std::string_view> take_line(std::string_view& text) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return line;
}

std::optional<Sha256> parse_hash(std::string_view line) {
    const auto bytes = decode_base64(line);
    Sha256 hash;
    if (!bytes || bytes->size() != hash.size()) return std::nullopt;
    std::memcpy(hash.data(), bytes->data(), hash.size());
    return hash;
}

}  // namespace

std::string to_text(const Receipt& receipt) {
    std::string text =
        fmt::format("{}\n{}{}\n{}{}\n", kFirstLine, kExtra, encode_base64(receipt.record), kIndex, receipt.leaf);
    for (const Sha256& hash : receipt.path) {
        text += encode_base64({reinterpret_cast<const char*>(hash.data()), hash.size()}) + "\n";
    }
    return text + "\n" + receipt.checkpoint;
}

Result<Receipt> parse_receipt(std::string_view text) {
    if (text.size() > Receipt::kBytesMax) return malformed_receipt("it is over 8 MiB");
    if (take_line(text) != kFirstLine) return malformed_receipt("it begins otherwise");
    Receipt receipt;
    const auto extra = take_line(text);
    const auto record =
        extra && extra->starts_with(kExtra) ? decode_base64(extra->substr(kExtra.size())) : std::nullopt;
    if (!record) return malformed_receipt("its record is no base64");
    receipt.record = *record;
    const auto index = take_line(text);
    const auto leaf = index && index->starts_with(kIndex) ? parse_u64(index->substr(kIndex.size())) : std::nullopt;
    if (!leaf || std::to_string(*leaf) != index->substr(kIndex.size()))
        return malformed_receipt("its index is no number");
    receipt.leaf = *leaf;
    while (true) {
        const auto line = take_line(text);
        if (!line) return malformed_receipt("it ends in the proof");
        if (line->empty()) break;
        const auto hash = parse_hash(*line);
        if (!hash || receipt.path.size() == kPathMax) return malformed_receipt("its proof is no list of hashes");
        receipt.path.push_back(*hash);
    }
    TG_CHECK(parse_note(text));
    receipt.checkpoint = text;
    return receipt;
}

Result<Checkpoint> check_receipt(const Receipt& receipt, const std::vector<VerifierKey>& keys) {
    TG_TRY(Checkpoint checkpoint, open_checkpoint(receipt.checkpoint, keys));
    if (!inclusion_holds(leaf_hash(receipt.record), receipt.leaf, checkpoint.head, receipt.path)) {
        return fail(ErrorCode::kDataLoss, "the record is not in the log at that place");
    }
    return checkpoint;
}

}  // namespace tidegate::audit::proof
