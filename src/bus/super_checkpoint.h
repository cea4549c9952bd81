// SuperCheckpoint: one signed note over the heads of all partitions' logs, so that none of them can be rolled back or left out alone.
//
// Position    Written by whichever worker holds the lock of the parent folder; checked by `tidegate kafka verify`.
// Form        A signed note (C2SP): origin, records in all partitions, root in base64, `time <ms>`, then a line
//             `partition <number> <size> <root>` for each, ascending. The root is RFC 6962's over those lines as leaves.
// Guarantee   HeadSigner signs a partition's head only when it is larger than the last one it signed; SuperSigner signs only when no partition
//             has become smaller or gone since the last super-checkpoint. Otherwise they refuse and say why.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/proof/checkpoint.h"
#include "base/clock.h"
#include "base/file.h"
#include "store/file_lock.h"

namespace tidegate::bus {

using audit::proof::SigningKey;
using audit::proof::TreeHead;
using audit::proof::VerifierKey;

/// By partition.
using PartitionHeads = std::map<std::uint32_t, TreeHead>;

struct SuperCheckpoint {
    std::string origin;
    UnixMillis time = 0;
    PartitionHeads heads;
};
Sha256 super_root(const PartitionHeads& heads);
std::string sign_super(const PartitionHeads& heads, UnixMillis now, const SigningKey& key);
/// kPermissionDenied: none of `keys` has signed it. kInvalidArgument: it is none, or its root is not that of its lines.
Result<SuperCheckpoint> open_super(std::string_view note, const std::vector<VerifierKey>& keys);

/// `ORIGIN/partition-3`: the name of that log in its checkpoints.
std::string partition_origin(std::string_view origin, std::uint32_t partition);
/// `partition-00003` in `parent`.
std::string partition_folder(std::string_view parent, std::uint32_t partition);
/// The partitions that have a folder, ascending.
Result<std::vector<std::uint32_t>> partitions_in(const std::string& parent);

inline constexpr std::string_view kSuperName = "super-checkpoint";
inline constexpr std::string_view kLatestName = "latest-checkpoint";

/// The key of a folder of partitions: one pair for all names, made once.
class FolderKey {
  public:
    /// Makes `PARENT/checkpoint.key` where there is none. Errors of SigningKey.
    static Result<FolderKey> open(const std::string& parent, std::string origin);
    const std::string& origin() const noexcept { return origin_; }
    Result<SigningKey> partition(std::uint32_t partition) const;
    Result<SigningKey> super() const;
    /// Verifier keys, one a line, for whoever checks: that of the super-checkpoint and one a partition.
    Result<std::string> verifier_text(const std::vector<std::uint32_t>& partitions) const;

  private:
    FolderKey(std::string path, std::string origin) : path_(std::move(path)), origin_(std::move(origin)) {}
    std::string path_;
    std::string origin_;
};

/// Signs the heads of one partition's log into its `checkpoints`, and the newest into `latest-checkpoint`.
class HeadSigner {
  public:
    /// kDataLoss: the log has fewer records than were signed.
    static Result<HeadSigner> open(const FolderKey& key, const std::string& parent, std::uint32_t partition,
                                   std::uint64_t log_size);
    /// False: nothing new.
    Result<bool> sign(const TreeHead& head, UnixMillis now);

  private:
    HeadSigner(SigningKey key, audit::proof::CheckpointFile file, std::string folder)
        : key_(std::move(key)), file_(std::move(file)), folder_(std::move(folder)) {}
    SigningKey key_;
    audit::proof::CheckpointFile file_;
    std::string folder_;
};

/// Signs over all partitions of a folder. One at a time, by lock.
class SuperSigner {
  public:
    SuperSigner(const FolderKey& key, std::string parent) : key_(key), parent_(std::move(parent)) {}
    /// False: another process signs, or there is nothing new. kDataLoss: it refuses.
    Result<bool> sign(UnixMillis now);

  private:
    Result<PartitionHeads> latest_heads() const;

    const FolderKey& key_;
    const std::string parent_;
    std::optional<store::FileLock> lock_;
    std::optional<PartitionHeads> last_;
};

}  // namespace tidegate::bus
