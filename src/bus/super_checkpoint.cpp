#include "bus/super_checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "audit/proof/base64.h"
#include "base/strings.h"

namespace tidegate::bus {
namespace {

namespace proof = audit::proof;

constexpr std::uint64_t kNoteBytesMax = proof::SignedNote::kBytesMax;
constexpr std::string_view kPartitionPrefix = "partition-";

std::string base64_of(const Sha256& root) {
    return proof::encode_base64({reinterpret_cast<const char*>(root.data()), root.size()});
}

std::string line_of(std::uint32_t partition, const TreeHead& head) {
    return fmt::format("partition {} {} {}", partition, head.size, base64_of(head.root));
}

std::uint64_t size_of(const PartitionHeads& heads) {
    std::uint64_t size = 0;
    for (const auto& [partition, head] : heads) size += head.size;
    return size;
}

std::string text_of(const PartitionHeads& heads, UnixMillis now, std::string_view origin) {
    std::string text = fmt::format("{}\n{}\n{}\ntime {}\n", origin, size_of(heads), base64_of(super_root(heads)), now);
    for (const auto& [partition, head] : heads) text += line_of(partition, head) + "\n";
    return text;
}

std::unexpected<Error> no_super(std::string_view what) {
    return fail(ErrorCode::kInvalidArgument, "not a super-checkpoint: " + std::string(what));
}

Result<std::pair<std::uint32_t, TreeHead>> parse_line(std::string_view line) {
    const auto words = split(line, ' ');
    if (words.size() != 4 || words[0] != "partition") return no_super("a line is no partition's");
    const auto partition = parse_u64(words[1]);
    const auto size = parse_u64(words[2]);
    const auto root = proof::decode_base64(words[3]);
    TreeHead head;
    if (!partition || *partition > 0x7fffffffU || !size || !root || root->size() != head.root.size()) {
        return no_super("a partition's line");
    }
    head.size = *size;
    std::ranges::copy(*root, head.root.begin());
    return std::pair{static_cast<std::uint32_t>(*partition), head};
}

}  // namespace

Sha256 super_root(const PartitionHeads& heads) {
    proof::HashPath leaves;
    for (const auto& [partition, head] : heads) leaves.push_back(proof::leaf_hash(line_of(partition, head)));
    // Over leaves in memory nothing can fail.
    return *proof::root_of(proof::LeafReader(leaves), leaves.size());
}

std::string sign_super(const PartitionHeads& heads, UnixMillis now, const SigningKey& key) {
    proof::SignedNote note{.text = text_of(heads, now, key.verifier().name()), .signatures = {}};
    note.signatures.push_back(key.sign(note.text));
    return proof::format_note(note);
}

Result<SuperCheckpoint> open_super(std::string_view text, const std::vector<VerifierKey>& keys) {
    TG_TRY(const proof::SignedNote note, proof::parse_note(text));
    TG_CHECK(proof::check_note(note, keys));
    const auto lines = split(note.text, '\n');
    if (lines.size() < 5 || !lines.back().empty() || !lines[3].starts_with("time ")) return no_super("its lines");
    const auto time = parse_i64(lines[3].substr(5));
    if (!time) return no_super("its time");
    SuperCheckpoint out{.origin = std::string(lines[0]), .time = *time, .heads = {}};
    for (const std::string_view line : std::span(lines).subspan(4, lines.size() - 5)) {
        TG_TRY(const auto one, parse_line(line));
        out.heads.insert(one);
    }
    // One form only; this compares number, order, sum and root.
    if (text_of(out.heads, out.time, out.origin) != note.text) return no_super("its root is not that of its lines");
    return out;
}

std::string partition_origin(std::string_view origin, std::uint32_t partition) {
    return fmt::format("{}/{}{}", origin, kPartitionPrefix, partition);
}

std::string partition_folder(std::string_view parent, std::uint32_t partition) {
    return fmt::format("{}/{}{:05}", parent, kPartitionPrefix, partition);
}

Result<std::vector<std::uint32_t>> partitions_in(const std::string& parent) {
    std::vector<std::uint32_t> partitions;
    std::error_code error;
    for (std::filesystem::directory_iterator i(parent, error), end; !error && i != end; i.increment(error)) {
        const std::string name = i->path().filename().string();
        if (!name.starts_with(kPartitionPrefix)) continue;
        const auto number = parse_u64(std::string_view(name).substr(kPartitionPrefix.size()));
        if (number && *number <= 0x7fffffffU) partitions.push_back(static_cast<std::uint32_t>(*number));
    }
    if (error)
        return fail(ErrorCode::kUnavailable, "the folder of the partitions cannot be listed: " + error.message());
    std::ranges::sort(partitions);
    return partitions;
}

Result<FolderKey> FolderKey::open(const std::string& parent, std::string origin) {
    TG_CHECK(SystemDisk().make_directories(parent));
    FolderKey key(parent + "/checkpoint.key", std::move(origin));
    if (auto loaded = key.super(); loaded || loaded.error().code != ErrorCode::kNotFound) {
        if (!loaded) return std::unexpected(std::move(loaded).error());
        return key;
    }
    const auto made = SigningKey::create(key.path_, key.origin_);
    // Another worker may have made it just now.
    if (!made && made.error().code != ErrorCode::kConflict) return std::unexpected(made.error());
    TG_CHECK(key.super());
    return key;
}

Result<SigningKey> FolderKey::partition(std::uint32_t partition) const {
    return SigningKey::load(path_, partition_origin(origin_, partition));
}

Result<SigningKey> FolderKey::super() const {
    return SigningKey::load(path_, origin_);
}

Result<std::string> FolderKey::verifier_text(const std::vector<std::uint32_t>& partitions) const {
    TG_TRY(const SigningKey all, super());
    std::string text = all.verifier().to_text() + "\n";
    for (const std::uint32_t number : partitions) {
        TG_TRY(const SigningKey one, partition(number));
        text += one.verifier().to_text() + "\n";
    }
    return text;
}

Result<HeadSigner> HeadSigner::open(const FolderKey& key, const std::string& parent, std::uint32_t partition,
                                    std::uint64_t log_size) {
    const std::string folder = partition_folder(parent, partition);
    TG_TRY(SigningKey own, key.partition(partition));
    TG_TRY(proof::CheckpointFile file, proof::CheckpointFile::open(folder + "/checkpoints"));
    if (file.last() && file.last()->size > log_size) {
        return fail(ErrorCode::kDataLoss, fmt::format("the log of partition {} has {} records, and {} are signed",
                                                      partition, log_size, file.last()->size));
    }
    return HeadSigner(std::move(own), std::move(file), folder);
}

Result<bool> HeadSigner::sign(const TreeHead& head, UnixMillis now) {
    const std::string latest = folder_ + "/" + std::string(kLatestName);
    SystemDisk disk;
    if (head.size == 0 || (file_.last() && head.size <= file_.last()->size)) {
        // Death came between the two files.
        if (file_.last() && !disk.exists(latest)) TG_CHECK(disk.write_atomic(latest, file_.last_note()));
        return false;
    }
    const std::string note = proof::sign_checkpoint(head, now, key_);
    TG_CHECK(file_.append(note));
    TG_CHECK(disk.write_atomic(latest, note));
    return true;
}

Result<PartitionHeads> SuperSigner::latest_heads() const {
    PartitionHeads heads;
    TG_TRY(const auto partitions, partitions_in(parent_));
    for (const std::uint32_t partition : partitions) {
        const std::string path = partition_folder(parent_, partition) + "/" + std::string(kLatestName);
        const auto note = SystemDisk().read(path, kNoteBytesMax);
        if (!note && note.error().code == ErrorCode::kNotFound) continue;
        if (!note) return std::unexpected(note.error());
        TG_TRY(const SigningKey key, key_.partition(partition));
        TG_TRY(const proof::Checkpoint checkpoint, proof::open_checkpoint(*note, {key.verifier()}));
        heads[partition] = checkpoint.head;
    }
    return heads;
}

Result<bool> SuperSigner::sign(UnixMillis now) {
    if (!lock_) {
        auto lock = store::FileLock::take(parent_ + "/super.lock");
        if (!lock && lock.error().code == ErrorCode::kConflict) return false;
        if (!lock) return std::unexpected(std::move(lock).error());
        lock_ = *std::move(lock);
    }
    const std::string path = parent_ + "/" + std::string(kSuperName);
    TG_TRY(const SigningKey key, key_.super());
    if (!last_) {
        const auto note = SystemDisk().read(path, kNoteBytesMax);
        if (!note && note.error().code != ErrorCode::kNotFound) return std::unexpected(note.error());
        last_.emplace();
        if (note) {
            auto opened = open_super(*note, {key.verifier()});
            if (!opened) {
                last_.reset();
                return std::unexpected(std::move(opened).error());
            }
            last_ = std::move(opened->heads);
        }
    }
    TG_TRY(const PartitionHeads heads, latest_heads());
    for (const auto& [partition, head] : *last_) {
        const auto now_there = heads.find(partition);
        if (now_there == heads.end() || now_there->second.size < head.size) {
            return fail(ErrorCode::kDataLoss,
                        fmt::format("the log of partition {} has become smaller than was signed", partition));
        }
    }
    if (heads.empty() || heads == *last_) return false;
    TG_CHECK(SystemDisk().write_atomic(path, sign_super(heads, now, key)));
    std::vector<std::uint32_t> partitions;
    for (const auto& [partition, head] : heads) partitions.push_back(partition);
    if (heads.size() != last_->size() || !SystemDisk().exists(parent_ + "/checkpoint.keys")) {
        TG_TRY(const std::string keys, key_.verifier_text(partitions));
        TG_CHECK(SystemDisk().write_atomic(parent_ + "/checkpoint.keys", keys));
    }
    last_ = heads;
    return true;
}

}  // namespace tidegate::bus
