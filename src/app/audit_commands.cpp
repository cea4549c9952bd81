#include "app/audit_commands.h"

#include <fmt/core.h>

#include <algorithm>

#include "app/audit_report.h"
#include "app/audit_words.h"
#include "app/commands.h"
#include "audit/proof/tile_store.h"
#include "audit/segments/record.h"
#include "audit/verify/verify.h"
#include "base/file.h"

namespace tidegate::app {
namespace {

namespace proof = audit::proof;
namespace verify = audit::verify;

constexpr std::uint64_t kKeyFileMax = 64U * 1024;

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
    TG_TRY(const std::string text, SystemDisk().read(path, kKeyFileMax));
    return proof::parse_verifier_keys(text);
}

Result<verify::Evidence> read_evidence(const AuditWords& words, const AuditPlace& place) {
    const SystemDisk disk;
    verify::Evidence evidence{.folder = place.folder, .keys = {}, .checkpoints = {}};
    if (const auto key = words.options.find("--key"); key != words.options.end()) {
        TG_TRY(const std::string text, disk.read(key->second, kKeyFileMax));
        TG_TRY(evidence.keys, verify::parse_keys(text));
    }
    if (const auto note = words.options.find("--checkpoint"); note != words.options.end()) {
        TG_TRY(std::string text, disk.read(note->second, kKeyFileMax));
        evidence.checkpoints.push_back(std::move(text));
    }
    return evidence;
}

int run_verify(const Invocation& invocation) {
    const auto words = read_audit_words(invocation.words, {"--key", "--checkpoint", "--json", "--schema", "--folder"});
    if (!words) return wrong_use(words.error().message);
    const auto place = audit_place(*words, invocation.settings);
    if (!place) return audit_failed(place.error());
    const auto evidence = read_evidence(*words, *place);
    if (!evidence) return audit_failed(evidence.error());
    const SystemClock clock;
    const auto report =
        place->database ? verify_database(*place->database, *evidence, clock) : verify::verify_log(*evidence);
    if (!report) return audit_failed(report.error());
    fmt::print("{}", words->has("--json") ? verify::to_json(*report) + "\n" : verify::to_text(*report));
    return report->exit_code();
}

int run_prove(const Invocation& invocation) {
    const auto words = read_audit_words(invocation.words, {"--id", "--out", "--schema", "--folder"});
    if (!words || !words->options.contains("--id")) return wrong_use(std::string(kAuditUsage));
    const auto id = parse_uuid(words->options.at("--id"));
    if (!id) return wrong_use("--id is the id of a decision, a UUID");
    const auto place = audit_place(*words, invocation.settings);
    if (!place) return audit_failed(place.error());
    const auto receipt = make_receipt(*place, *id);
    if (!receipt) return audit_failed(receipt.error());
    const std::string text = proof::to_text(*receipt);
    if (const auto out = words->options.find("--out"); out != words->options.end()) {
        SystemDisk disk;
        const auto written = disk.write_atomic(out->second, text);
        return written ? 0 : audit_failed(written.error());
    }
    fmt::print("{}", text);
    return 0;
}

int run_receipt(const Invocation& invocation) {
    const auto words = read_audit_words(invocation.words, {"--key", "--json"});
    if (!words || !words->options.contains("--key")) return wrong_use(std::string(kAuditUsage));
    const auto keys = load_keys(words->options.at("--key"));
    if (!keys) return audit_failed(keys.error());
    const auto text = SystemDisk().read(words->place, proof::Receipt::kBytesMax);
    if (!text) return audit_failed(text.error());
    const auto receipt = proof::parse_receipt(*text);
    if (!receipt) return audit_failed(receipt.error());
    const auto checkpoint = proof::check_receipt(*receipt, *keys);
    if (!checkpoint) return audit_failed(checkpoint.error());
    const std::string& record = receipt->record;
    const auto view = audit::segments::decode({reinterpret_cast<const std::uint8_t*>(record.data()), record.size()});
    if (!view) return audit_failed(view.error());
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("holds", true).field("log", checkpoint->origin).field("leaf", receipt->leaf);
    json.field("signed_leaves", checkpoint->head.size).field("root", to_hex(checkpoint->head.root));
    json.field("recorded", format_rfc3339(view->recorded)).key("decision");
    append_json(json, audit::segments::to_decision(*view));
    json.end_object();
    if (!words->has("--json")) {
        fmt::print("the record is leaf {} of {}, under the signed root over {} leaves\n", receipt->leaf,
                   checkpoint->origin, checkpoint->head.size);
    }
    fmt::print("{}\n", out);
    return 0;
}

Result<proof::HashPath> walk_to(const AuditPlace& place, const audit::LogReader& reader, std::uint64_t leaf_wanted,
                                std::uint64_t size) {
    WalkedTree tree;
    bool from_start = true;
    const auto take = [&](std::uint64_t leaf, verify::Bytes bytes) {
        from_start = from_start && leaf == tree.size();
        if (!from_start || leaf >= size) return false;
        if (leaf == leaf_wanted) tree.keep_next();
        tree.add(proof::leaf_hash({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
        return true;
    };
    if (place.database) {
        TG_CHECK(reader.scan(reader.first_leaf(), size, take));
    } else {
        TG_CHECK(verify::walk_records(place.folder, take));
    }
    if (!from_start) {
        return fail(ErrorCode::kUnavailable,
                    "the beginning of the log was removed and its tiles are missing: no proof can be made");
    }
    if (tree.size() < size) return fail(ErrorCode::kDataLoss, "the log is shorter than its checkpoint; verify it");
    return proof::inclusion_proof(tree, leaf_wanted, size);
}

}  // namespace

Result<proof::Receipt> make_receipt(const AuditPlace& place, const Uuid& id) {
    const std::string& folder = place.folder;
    if (folder.empty())
        return fail(ErrorCode::kInvalidArgument, "--folder is needed: the checkpoints lie beside the database");
    auto note = proof::read_last_checkpoint(folder + "/checkpoints");
    if (!note && note.error().code != ErrorCode::kNotFound) return std::unexpected(note.error());
    if (!note || note->empty()) return fail(ErrorCode::kUnavailable, "the log has no checkpoint yet");
    TG_TRY(const proof::SignedNote parsed, proof::parse_note(*note));
    TG_TRY(const proof::Checkpoint checkpoint, proof::parse_checkpoint(parsed.text));
    const SystemClock clock;
    TG_TRY(const OpenedLog log, OpenedLog::open(place, clock));
    TG_TRY(const auto record, log.reader().find_id(id));
    if (!record) return fail(ErrorCode::kNotFound, "the log has no decision of that id");
    if (record->leaf >= checkpoint.head.size) {
        return fail(ErrorCode::kUnavailable, "no checkpoint covers that decision yet");
    }
    proof::Receipt receipt{.record = std::string(audit::segments::encoded_size(record->decision), '\0'),
                           .leaf = record->leaf,
                           .path = {},
                           .checkpoint = *std::move(note)};
    audit::segments::encode(record->decision, record->recorded,
                            {reinterpret_cast<std::uint8_t*>(receipt.record.data()), receipt.record.size()});
    const auto tiles = proof::TileStore::view(folder + "/tiles", checkpoint.head.size);
    auto path = proof::inclusion_proof(*tiles, receipt.leaf, checkpoint.head.size);
    // Without tiles the hashes are made again from the records.
    if (!path) path = walk_to(place, log.reader(), receipt.leaf, checkpoint.head.size);
    TG_TRY(receipt.path, std::move(path));
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
    if (verb == "tail") return run_audit_tail(invocation);
    if (verb == "export") return run_audit_export(invocation);
    if (verb == "report") return run_audit_report(invocation);
    if (verb == "key") return run_audit_key(invocation);
    return wrong_use(std::string(kAuditUsage));
}

}  // namespace tidegate::app
