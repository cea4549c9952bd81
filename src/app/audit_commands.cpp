#include "app/audit_commands.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "app/commands.h"
#include "audit/proof/tiles.h"
#include "audit/segments/record.h"
#include "audit/verify/verify.h"
#include "base/file.h"

namespace tidegate::app {
namespace {

namespace proof = audit::proof;
namespace verify = audit::verify;

constexpr std::string_view kUsage =
    "audit takes one of:\n"
    "  verify FOLDER [--key FILE] [--checkpoint FILE] [--json]\n"
    "  prove FOLDER --id ID [--out FILE]\n"
    "  receipt FILE --key FILE [--json]";
constexpr std::uint64_t kSmallFileMax = 64U * 1024;
// A checkpoint a second for two years; `prove` reads the file whole.
constexpr std::uint64_t kCheckpointsMax = std::uint64_t{16} << 30U;

struct Words {
    std::string place;  // FOLDER or FILE.
    std::map<std::string, std::string> options;
    bool json = false;
};

Result<Words> read_words(const std::vector<std::string>& words, const std::set<std::string>& known) {
    Words read;
    for (std::size_t i = 1; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (word == "--json" && known.contains(word)) {
            read.json = true;
        } else if (!word.starts_with("--") && read.place.empty()) {
            read.place = word;
        } else if (!known.contains(word) || read.options.contains(word) || i + 1 == words.size()) {
            return fail(ErrorCode::kInvalidArgument, std::string(kUsage));
        } else {
            read.options.emplace(word, words[++i]);
        }
    }
    if (read.place.empty()) return fail(ErrorCode::kInvalidArgument, std::string(kUsage));
    return read;
}

/// The hashes that a walk over the log has kept: the roots of whole blocks of 256 leaves, and the leaves of two blocks.
class WalkedTree final : public proof::SubtreeReader {
  public:
    void add(const Sha256& leaf) {
        block_.push_back(leaf);
        if (block_.size() < proof::kTileWidth) return;
        roots_.push_back(proof::perfect_root(block_));
        if (keep_block_) {
            kept_ = block_;
            kept_at_ = roots_.size() - 1;
        }
        keep_block_ = false;
        block_.clear();
    }
    std::uint64_t size() const { return roots_.size() * proof::kTileWidth + block_.size(); }

    /// The next leaf is the one that the proof is for: its block is kept.
    void keep_next() { keep_block_ = true; }

    Result<Sha256> subtree(unsigned level, std::uint64_t index) const override {
        if (level >= 8) {
            const std::uint64_t width = std::uint64_t{1} << (level - 8);
            if (index >= roots_.size() / width) return missing();
            return proof::perfect_root(std::span(roots_).subspan(index * width, width));
        }
        const std::uint64_t first = index << level;
        const std::uint64_t block = first / proof::kTileWidth;
        const proof::HashPath* leaves = block == roots_.size() ? &block_ : block == kept_at_ ? &kept_ : nullptr;
        const std::uint64_t begin = first % proof::kTileWidth;
        const std::uint64_t width = std::uint64_t{1} << level;
        if (leaves == nullptr || begin + width > leaves->size()) return missing();
        return proof::perfect_root(std::span(*leaves).subspan(begin, width));
    }

  private:
    static std::unexpected<Error> missing() { return fail(ErrorCode::kInternal, "a hash of the proof was not kept"); }

    proof::HashPath roots_;
    proof::HashPath block_;
    proof::HashPath kept_;
    std::uint64_t kept_at_ = ~std::uint64_t{0};
    bool keep_block_ = false;
};

Result<std::vector<proof::VerifierKey>> load_keys(const std::string& path) {
    TG_TRY(const std::string text, SystemDisk().read(path, kSmallFileMax));
    return proof::parse_verifier_keys(text);
}

int failed(const Error& error) {
    fmt::print(stderr, "tidegate: {}\n", error.message);
    return 1;
}

Result<verify::Evidence> read_evidence(const Words& words) {
    const SystemDisk disk;
    verify::Evidence evidence{.folder = words.place, .keys = {}, .checkpoints = {}};
    if (const auto key = words.options.find("--key"); key != words.options.end()) {
        TG_TRY(const std::string text, disk.read(key->second, kSmallFileMax));
        TG_TRY(evidence.keys, verify::parse_keys(text));
    }
    if (const auto note = words.options.find("--checkpoint"); note != words.options.end()) {
        TG_TRY(std::string text, disk.read(note->second, kSmallFileMax));
        evidence.checkpoints.push_back(std::move(text));
    }
    return evidence;
}

int run_verify(const Invocation& invocation) {
    const auto words = read_words(invocation.words, {"--key", "--checkpoint", "--json"});
    if (!words) return wrong_use(words.error().message);
    const auto evidence = read_evidence(*words);
    if (!evidence) return failed(evidence.error());
    const auto report = verify::verify_log(*evidence);
    if (!report) return failed(report.error());
    fmt::print("{}", words->json ? verify::to_json(*report) + "\n" : verify::to_text(*report));
    return report->exit_code();
}

int run_prove(const Invocation& invocation) {
    const auto words = read_words(invocation.words, {"--id", "--out"});
    if (!words || !words->options.contains("--id")) return wrong_use(std::string(kUsage));
    const auto id = parse_uuid(words->options.at("--id"));
    if (!id) return wrong_use("--id is the id of a decision, a UUID");
    const auto receipt = make_receipt(words->place, *id);
    if (!receipt) return failed(receipt.error());
    const std::string text = proof::to_text(*receipt);
    if (const auto out = words->options.find("--out"); out != words->options.end()) {
        SystemDisk disk;
        const auto written = disk.write_atomic(out->second, text);
        return written ? 0 : failed(written.error());
    }
    fmt::print("{}", text);
    return 0;
}

int run_receipt(const Invocation& invocation) {
    const auto words = read_words(invocation.words, {"--key", "--json"});
    if (!words || !words->options.contains("--key")) return wrong_use(std::string(kUsage));
    const auto keys = load_keys(words->options.at("--key"));
    if (!keys) return failed(keys.error());
    const auto text = SystemDisk().read(words->place, proof::Receipt::kBytesMax);
    if (!text) return failed(text.error());
    const auto receipt = proof::parse_receipt(*text);
    if (!receipt) return failed(receipt.error());
    const auto checkpoint = proof::check_receipt(*receipt, *keys);
    if (!checkpoint) return failed(checkpoint.error());
    const std::string& record = receipt->record;
    const auto view = audit::segments::decode({reinterpret_cast<const std::uint8_t*>(record.data()), record.size()});
    if (!view) return failed(view.error());
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("holds", true).field("log", checkpoint->origin).field("leaf", receipt->leaf);
    json.field("signed_leaves", checkpoint->head.size).field("root", to_hex(checkpoint->head.root));
    json.field("recorded", format_rfc3339(view->recorded)).key("decision");
    append_json(json, audit::segments::to_decision(*view));
    json.end_object();
    if (!words->json) {
        fmt::print("the record is leaf {} of {}, under the signed root over {} leaves\n", receipt->leaf,
                   checkpoint->origin, checkpoint->head.size);
    }
    fmt::print("{}\n", out);
    return 0;
}

}  // namespace

Result<proof::Receipt> make_receipt(const std::string& folder, const Uuid& id) {
    TG_TRY(const std::string file, SystemDisk().read(folder + "/checkpoints", kCheckpointsMax));
    const auto notes = proof::split_checkpoints(file);
    if (notes.empty()) return fail(ErrorCode::kUnavailable, "the log has no checkpoint yet");
    proof::Receipt receipt;
    receipt.checkpoint = notes.back();
    TG_TRY(const proof::SignedNote note, proof::parse_note(receipt.checkpoint));
    TG_TRY(const proof::Checkpoint checkpoint, proof::parse_checkpoint(note.text));

    WalkedTree tree;
    bool from_start = true;
    TG_CHECK(verify::walk_records(folder, [&](std::uint64_t leaf, verify::Bytes bytes) {
        from_start = from_start && leaf == tree.size();
        if (!from_start || leaf >= checkpoint.head.size) return false;
        const std::string_view record(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        if (bytes.size() >= 32 && std::ranges::equal(bytes.subspan(16, 16), id.bytes)) {
            receipt.record = record;
            receipt.leaf = leaf;
            tree.keep_next();
        }
        tree.add(proof::leaf_hash(record));
        return true;
    }));
    if (!from_start)
        return fail(ErrorCode::kUnavailable, "the beginning of the log was removed: its proofs come from the server");
    if (tree.size() < checkpoint.head.size)
        return fail(ErrorCode::kDataLoss, "the log is shorter than its checkpoint; verify it");
    if (receipt.record.empty())
        return fail(ErrorCode::kNotFound, "no decision of that id is under the last checkpoint");
    TG_TRY(receipt.path, proof::inclusion_proof(tree, receipt.leaf, checkpoint.head.size));
    if (!proof::inclusion_holds(proof::leaf_hash(receipt.record), receipt.leaf, checkpoint.head, receipt.path)) {
        return fail(ErrorCode::kDataLoss, "the records do not lead to the checkpoint's root; verify the log");
    }
    return receipt;
}

int run_audit(const Invocation& invocation) {
    const std::string verb = invocation.words.empty() ? std::string() : invocation.words.front();
    if (verb == "verify") return run_verify(invocation);
    if (verb == "prove") return run_prove(invocation);
    if (verb == "receipt") return run_receipt(invocation);
    return wrong_use(std::string(kUsage));
}

}  // namespace tidegate::app
