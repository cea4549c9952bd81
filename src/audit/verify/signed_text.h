// The verifier's own reading of checkpoints: signed notes, Ed25519 keys, and a file of them as a stream.
//
// Guarantee   Strict, bounded (a note has 64 KiB at most), and apart from the code that writes them.
// Memory      CheckpointStream: one Window, however long the file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/verify/source.h"

namespace tidegate::audit::verify {

struct Key {
    std::string name;
    std::uint32_t id = 0;
    std::array<std::uint8_t, 32> bytes{};
};
/// `name+hash+key`, one a line; empty lines and lines after `#` are left out. kInvalidArgument: none, or one is malformed.
Result<std::vector<Key>> parse_keys(std::string_view text);

struct Statement {
    std::string origin;
    std::uint64_t size = 0;
    Digest root{};
};
enum class Trust : std::uint8_t {
    kSigned,     // By one of the keys, under its own name.
    kUnchecked,  // No key was given.
    kForeign,    // No known key has signed, or its name is not the origin.
    kBroken,     // A signature of a known key does not hold.
    kMalformed,  // It is no checkpoint.
};
struct ReadStatement {
    Trust trust = Trust::kMalformed;
    Statement statement;  // Unless kMalformed.
};
ReadStatement read_statement(std::string_view note, std::span<const Key> keys);

/// The notes of a `checkpoints` file, one after the other.
class CheckpointStream {
  public:
    explicit CheckpointStream(const Source& source) : window_(source) {}
    /// Nothing at the end. What is left then that is no whole checkpoint: left_over().
    Result<std::optional<std::string>> next();
    bool left_over() const noexcept { return left_over_; }

  private:
    Window window_;
    std::uint64_t offset_ = 0;
    bool left_over_ = false;
};

}  // namespace tidegate::audit::verify
