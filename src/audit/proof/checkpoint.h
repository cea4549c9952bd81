// Checkpoint: the size and root of the log at one moment, signed (C2SP tlog-checkpoint); and the file they are kept in.
//
// Guarantee   parse_checkpoint() takes only what to_text() writes. A CheckpointFile grows only: each checkpoint is larger than the
//             one before it and durable when append() returns.
// Threads     A CheckpointFile belongs to one thread at a time and is its file's one writer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/proof/merkle.h"
#include "audit/proof/signing_key.h"
#include "base/clock.h"

namespace tidegate::audit::proof {

struct Checkpoint {
    std::string origin;  // The log's name: by our rule its key's name too.
    TreeHead head;
    std::vector<std::string> extensions;  // Lines; not empty ones.
    friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};
std::string to_text(const Checkpoint& checkpoint);
/// kInvalidArgument. At most 16 extension lines.
Result<Checkpoint> parse_checkpoint(std::string_view text);

/// The signed note; origin is the key's name, with the extension line `time <milliseconds>`.
std::string sign_checkpoint(const TreeHead& head, UnixMillis now, const SigningKey& key);
/// The checkpoint in a note that one of `keys` has signed, under its own name as the origin. kPermissionDenied: otherwise.
Result<Checkpoint> open_checkpoint(std::string_view note, const std::vector<VerifierKey>& keys);

/// The notes of a checkpoint file, in order. What a crash left half written at the end is not among them.
std::vector<std::string_view> split_checkpoints(std::string_view file);

/// The last whole note of a checkpoint file, from its last 128 KiB; empty: there is none. kNotFound: no such file.
Result<std::string> read_last_checkpoint(const std::string& path);

class CheckpointFile {
  public:
    /// Makes the file when there is none, and cuts off a half-written end (it was never acknowledged). Reads the last 128 KiB at most.
    static Result<CheckpointFile> open(const std::string& path);
    ~CheckpointFile();
    CheckpointFile(CheckpointFile&& other) noexcept;
    CheckpointFile& operator=(CheckpointFile&&) = delete;

    /// Size and root of the last one; nullopt: there is none.
    const std::optional<TreeHead>& last() const noexcept { return last_; }
    /// The last one; empty: there is none.
    const std::string& last_note() const noexcept { return note_; }
    /// kConflict: not larger than the last one. After an error of the disk the file must be opened again.
    Result<void> append(std::string_view note);

  private:
    friend Result<std::string> read_last_checkpoint(const std::string& path);
    CheckpointFile(int fd, std::optional<TreeHead> last) : fd_(fd), last_(last) {}
    int fd_;
    std::optional<TreeHead> last_;
    std::string note_;
};

}  // namespace tidegate::audit::proof
